package odoo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Class says how to react to an error of Odoo.
type Class int

const (
	// Transient means that nothing was done, or nobody knows; the same call may succeed later.
	Transient Class = iota
	// Business means that Odoo refuses what was asked; somebody has to correct a record or the event.
	Business
	// Configuration means that the key, its rights, the database or the address are wrong; no call will succeed.
	Configuration
)

func (c Class) String() string { return [...]string{"transient", "business", "configuration"}[c] }

// Error is an answer of Odoo that is not a result.
type Error struct {
	Status  int    // of HTTP; over JSON-RPC, what JSON-2 would have answered
	Name    string // Python's name of the exception, such as odoo.exceptions.UserError; empty if the body was not JSON
	Message string // Odoo's own words
	Class   Class
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("odoo answered HTTP %d: %s", e.Status, e.Message)
	}
	return "odoo: " + e.Message
}

// fault is the body of an error in JSON-2.
type fault struct {
	Name    string `json:"name"`
	Message string `json:"message"`
}

// longest is how much of a message is kept: Odoo quotes the whole code of an action that fails.
const longest = 1000

// decodeError classifies a reply whose status is not 200.
func decodeError(status int, body []byte) *Error {
	e := &Error{Status: status}
	var a fault
	if err := json.Unmarshal(body, &a); err != nil || (a.Name == "" && a.Message == "") {
		e.Message = shorten(strings.Join(strings.Fields(stripTags(string(body))), " "))
		e.Class = classOfStatus(status)
		return e
	}
	return namedError(status, a.Name, a.Message)
}

// namedError is an exception of Odoo, in its own words.
func namedError(status int, name, message string) *Error {
	e := &Error{Status: status, Name: name, Class: classOf(status, name)}
	inside, _, wrapped := strings.Cut(message, "(") // an exception in the code of an action, which Odoo wraps in another
	if status == http.StatusInternalServerError && (strings.Contains(message, raced) || wrapped && slices.Contains(transientNames, inside)) {
		e.Class = Transient
	}
	message, _, _ = strings.Cut(message, " while evaluating\n")
	e.Message = shorten(strings.TrimSpace(message))
	if e.Message == "" {
		e.Message = name
	}
	return e
}

func classOfStatus(status int) Class {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Configuration
	case http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusRequestEntityTooLarge:
		return Business
	}
	return Transient // 404 in HTML: the database is not selected, or not ready; 5xx of a proxy: indeterminate
}

// transientNames are the exceptions that leave no trace and pass.
var transientNames = []string{
	"SerializationFailure", "DeadlockDetected", "LockNotAvailable", "OperationalError", "InterfaceError", "PoolError",
	"AdminShutdown", "CrashShutdown", "CannotConnectNow", "QueryCanceled", "ReadOnlySqlTransaction", "TooManyConnections", "LockError",
}

// raced is Python's message when one thread of Odoo reads what another one changes, such as its caches: the call was rolled back.
const raced = "changed size during iteration"

func classOf(status int, name string) Class {
	short := name[strings.LastIndexByte(name, '.')+1:]
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return Configuration
	case http.StatusNotFound:
		if short == "MissingError" {
			return Business
		}
		return Configuration // the model or method does not exist
	case http.StatusConflict, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return Transient
	case http.StatusInternalServerError:
		if slices.Contains(transientNames, short) {
			return Transient
		}
	}
	return Business
}

func shorten(s string) string {
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}

// stripTags leaves the text of an HTML page, roughly: it is only shown.
func stripTags(s string) string {
	var b strings.Builder
	inside := false
	for _, r := range s {
		switch {
		case r == '<':
			inside = true
			b.WriteByte(' ')
		case r == '>':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return b.String()
}
