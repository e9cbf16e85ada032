// Package plantmesh is what a program needs to take part in a plantmesh: the words of the domain ([SiteID],
// [StreamName], [Offset], [Identity]), the catalog of canonical events ([LookupEventType], [NewEvent], [ValidateEvent]),
// the errors that every door answers with, and the [Client].
//
// It imports the generated protocol and nothing else of this module; everything else imports it.
package plantmesh
