package console

import (
	"net"
	"net/http"
	"strings"
)

// headers go with every answer. Pages may use what this server has and nothing else, and no other page may frame or read them.
var headers = map[string]string{
	"Content-Security-Policy":      "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Referrer-Policy":              "no-referrer",
	"X-Content-Type-Options":       "nosniff",
	"X-Frame-Options":              "DENY",
	"Cache-Control":                "no-store",
}

// guard lets in what only reads, and asks for this server by an address.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "The console changes nothing: only GET and HEAD are answered.", http.StatusMethodNotAllowed)
			return
		}
		if !isAddress(r.Host) {
			http.Error(w, "The console is asked for by an address, such as http://127.0.0.1:7480 or http://localhost:7480. A proxy before it has to pass one in Host.",
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isAddress tells whether a request's host is an IP address or localhost. Any other name may be one that a foreign page has let lead here, to read
// in the user's browser what this machine alone may see.
func isAddress(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.Trim(host, "[]")
	return strings.EqualFold(host, "localhost") || net.ParseIP(host) != nil
}
