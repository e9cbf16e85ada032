// Package consumer runs a durable, named reader of a site's streams: it hands every event to a [Handler], in order per
// subject, several subjects at once, and remembers what became of each in the site's derived database.
//
// An event that its handler parks is set aside with its error and holds back the later events of its subject in that
// stream; other subjects flow on. DESIGN.md beside this file says what is promised, and what happens at a restart.
package consumer
