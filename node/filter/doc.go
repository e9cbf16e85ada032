// Package filter says which events of a stream a reader wants: by type and by subject.
package filter
