package filter

import "strings"

// Filter is a reader's wish. The zero Filter passes all. It does not change, and may be used by any number of goroutines.
type Filter struct {
	types    map[string]bool
	subjects map[string]bool
	prefixes []string
}

// New makes a filter of full type names and of subjects, exact or with `*` at the end for a prefix. None of one kind: all pass.
func New(types, subjects []string) Filter {
	f := Filter{types: map[string]bool{}, subjects: map[string]bool{}}
	for _, t := range types {
		f.types[t] = true
	}
	for _, s := range subjects {
		if prefix, ok := strings.CutSuffix(s, "*"); ok {
			f.prefixes = append(f.prefixes, prefix)
		} else {
			f.subjects[s] = true
		}
	}
	return f
}

// PassesAll tells whether nothing is kept back.
func (f Filter) PassesAll() bool { return len(f.types)+len(f.subjects)+len(f.prefixes) == 0 }

// Passes tells whether an event of a type and a subject is wanted.
func (f Filter) Passes(kind, subject []byte) bool {
	if len(f.types) > 0 && !f.types[string(kind)] {
		return false
	}
	if len(f.subjects)+len(f.prefixes) == 0 || f.subjects[string(subject)] {
		return true
	}
	for _, prefix := range f.prefixes {
		if strings.HasPrefix(string(subject), prefix) {
			return true
		}
	}
	return false
}
