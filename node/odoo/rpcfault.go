package odoo

import (
	"net/http"
	"strings"
)

// rpcFault is the error of a JSON-RPC reply. Odoo's own codes in it tell little; the name of Python's exception does.
type rpcFault struct {
	Message string `json:"message"`
	Data    struct {
		Name    string `json:"name"`
		Message string `json:"message"`
	} `json:"data"`
}

const accessDenied = "odoo.exceptions.AccessDenied"

// statuses are what JSON-2 answers for an exception; any other is 500.
var statuses = map[string]int{
	accessDenied:                        http.StatusUnauthorized, // JSON-2 says 403, but names a strange key so
	"odoo.http.SessionExpiredException": http.StatusForbidden,
	"odoo.exceptions.AccessError":       http.StatusForbidden,
	"odoo.exceptions.MissingError":      http.StatusNotFound,
	"odoo.exceptions.LockError":         http.StatusConflict,
	"odoo.exceptions.UserError":         http.StatusUnprocessableEntity,
	"odoo.exceptions.ValidationError":   http.StatusUnprocessableEntity,
	"builtins.TypeError":                http.StatusUnprocessableEntity, // arguments that the method does not take
	"werkzeug.exceptions.NotFound":      http.StatusNotFound,            // the server has no /jsonrpc
	"werkzeug.exceptions.BadRequest":    http.StatusBadRequest,
}

// decode classifies the error as JSON-2 would have answered it.
func (f *rpcFault) decode() *Error {
	name, message := f.Data.Name, f.Data.Message
	if message == "" {
		message = f.Message
	}
	status, known := statuses[name]
	switch {
	case !known:
		status = http.StatusInternalServerError
	case status == http.StatusNotFound && message == "":
		message = "the server has no JSON-RPC API"
	}
	if strings.HasSuffix(name, ".OperationalError") && strings.Contains(message, "database") && strings.Contains(message, "does not exist") {
		e := namedError(http.StatusNotFound, name, message)
		e.Class = Transient // as JSON-2's page: it may be restored right now
		return e
	}
	return namedError(status, name, message)
}

// nameWhatIsMissing finds the errors that are about a model or method which is not there: with JSON-RPC, their names say less.
func (e *Error) nameWhatIsMissing(model, method string) {
	noModel := e.Name == "odoo.exceptions.UserError" && e.Message == "Object "+model+" doesn't exist"
	noMethod := e.Name == "builtins.AttributeError" && strings.Contains(e.Message, model) && strings.Contains(e.Message, method)
	if noModel || noMethod {
		e.Status, e.Class = http.StatusNotFound, Configuration
	}
}
