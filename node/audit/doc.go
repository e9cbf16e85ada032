// Package audit records who was refused what, in the site's own stream of the domain audit.
//
// Refusing is free for who is refused, so recording it must not be dear: the first refusal of a kind (who, what, which stream,
// why) is recorded at once, further ones in one event at most every ten minutes, with how many they were. Nothing waits for it.
// A refusal of the audit stream itself is recorded like any other, and leads to nothing further: only calls of others do.
package audit
