// Package consumers keeps the durable consumers that clients make with Consume.
//
// A Registry holds their definitions, and opens one for each call. While calls have a consumer open, a consumer.Consumer reads the log
// for it; its handler hands each event to a call that has room, and waits for the answer. Without calls it rests, and people may still
// look at what it has parked.
package consumers
