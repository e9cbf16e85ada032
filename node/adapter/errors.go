package adapter

import "fmt"

// RowError says why a row makes no event.
type RowError struct {
	Line   int    // of the file, counted from 1; 0 where the caller has to set it
	Field  string // of the mapping or the event, such as `start_time`; empty if the row as a whole is at fault
	Reason string // in words for the person who has to correct the row
}

func (e *RowError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d: %s: %s", e.Line, e.Field, e.Reason)
}
