package console

import (
	"fmt"
	"net/http"
)

// health says that the process answers.
func (c *Console) health(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") }

// ready says whether the log can be written.
func (c *Console) ready(w http.ResponseWriter, _ *http.Request) {
	if err := c.sources.Ready(); err != nil {
		plain(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	plain(w, http.StatusOK, "ok")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}
