// Package exceptions makes events of conditions that somebody has to look at: ExceptionRaised when one is seen, ExceptionResolved
// when it has ended, in the site's own stream of the domain exceptions. So they travel like any event, ahead of batch windows.
//
// A condition is what a [Source] says holds now. It is named by its kind and what it is about, and has one open exception,
// however often it is seen. What is open is what the stream says: the keeper reads it at its start, from where the derived database
// has it. So a restart neither raises an exception again nor forgets it, and the database can be removed.
//
// A source also says when a condition has certainly ended. Not seeing it is not enough: after a restart nothing has been looked
// at yet, and a link that is down tells nothing of the streams behind it.
package exceptions
