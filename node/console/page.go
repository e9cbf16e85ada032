package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"time"

	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

//go:embed pages
var files embed.FS

// pages are the templates, each with the frame around it.
type pages struct {
	byName map[string]*template.Template
	tags   map[string]string // of what is not a page, by its name: changes with its content
}

func parsePages() (*pages, error) {
	p := &pages{byName: map[string]*template.Template{}, tags: map[string]string{}}
	for _, name := range []string{"overview", "reconciliation", "parked", "event", "nothing"} {
		t, err := template.New("frame.html").Funcs(formats).ParseFS(files, "pages/frame.html", "pages/shared.html", "pages/"+name+".html")
		if err != nil {
			return nil, err
		}
		p.byName[name] = t
	}
	for _, name := range []string{"style.css", "icon.svg"} {
		content, err := files.ReadFile("pages/" + name)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(content)
		p.tags[name] = `"` + hex.EncodeToString(sum[:8]) + `"`
	}
	return p, nil
}

// asset serves a file that pages use.
func (p *pages) asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache") // kept, but asked for
		w.Header().Set("ETag", p.tags[name])
		http.ServeFileFS(w, r, files, "pages/"+name)
	}
}

// page is what every page has.
type page struct {
	Title       string
	Path        string // of its entry in the navigation
	Node        *adminv1.Node
	Now         time.Time
	HasOdoo     bool
	Parked      int // subjects, of all consumers
	Differences int // found by the last comparison
	Exceptions  int
	Body        any
}

// show renders a page around its body. status is the node's, as the body was made of it.
func (c *Console) show(w http.ResponseWriter, code int, name string, status *adminv1.GetStatusResponse, p page) {
	p.Node, p.HasOdoo, p.Exceptions = status.GetNode(), status.GetOdoo() != nil, len(status.GetExceptions())
	for _, one := range c.sources.Consumers.List() {
		p.Parked += int(one.GetParkedSubjects())
	}
	p.Differences = differencesOf(c.compared().Last)
	var out bytes.Buffer
	if err := c.pages.byName[name].Execute(&out, p); err != nil {
		c.logger.Error("a page of the console cannot be shown", "page", name, "error", err)
		plain(w, http.StatusInternalServerError, "This page cannot be shown; the node's log says why.")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(out.Bytes()) // a browser that has gone away is its own affair
}

// nothing answers what is not there.
func (c *Console) nothing(w http.ResponseWriter, r *http.Request) {
	c.missing(w, fmt.Sprintf("There is no page %s.", r.URL.Path))
}

func (c *Console) missing(w http.ResponseWriter, why string) {
	c.show(w, http.StatusNotFound, "nothing", c.sources.Status(), page{Title: "Not there", Now: time.Now(), Body: why})
}
