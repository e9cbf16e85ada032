package file

import (
	"cmp"
	"slices"
)

// Status is where an adapter stands.
type Status struct {
	Name    string
	Total   Counts   // over the life of the site
	Files   []Import // newest first, at most 200
	Problem string   // what keeps it from working; empty if nothing
}

// Import is the progress of one file.
type Import struct {
	Name      string
	SizeBytes int64
	Counts    Counts
	Done      bool
	Problem   string // why it cannot be read, or the reason of its first reject
}

// Status reports where the adapter stands.
func (a *Adapter) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := Status{Name: a.config.Name, Total: a.total.Counts, Problem: a.problem}
	files := make([]*progress, 0, len(a.files))
	for _, p := range a.files {
		files = append(files, p)
	}
	slices.SortFunc(files, func(x, y *progress) int { return cmp.Compare(y.Sequence, x.Sequence) })
	for _, p := range files[:min(len(files), keptFiles)] {
		s.Files = append(s.Files, Import{Name: p.Name, SizeBytes: p.File.Size, Counts: p.Counts, Done: p.Done, Problem: p.Problem})
	}
	return s
}
