package sandbox

import (
	"fmt"
	"net/http"
)

// fault is an error as Odoo answers it.
type fault struct {
	status        int
	name, message string
}

func (f *fault) Error() string { return f.name + ": " + f.message }

// refuse is a UserError: it undoes the transaction.
func refuse(format string, args ...any) *fault {
	return &fault{http.StatusUnprocessableEntity, "odoo.exceptions.UserError", fmt.Sprintf(format, args...)}
}

func notFound(format string, args ...any) *fault {
	return &fault{http.StatusNotFound, "werkzeug.exceptions.NotFound", fmt.Sprintf(format, args...)}
}

func badArguments(format string, args ...any) *fault {
	return &fault{http.StatusUnprocessableEntity, "werkzeug.exceptions.UnprocessableEntity", fmt.Sprintf(format, args...)}
}

func valueError(format string, args ...any) *fault {
	return &fault{http.StatusInternalServerError, "builtins.ValueError", fmt.Sprintf(format, args...)}
}

func accessError(format string, args ...any) *fault {
	return &fault{http.StatusForbidden, "odoo.exceptions.AccessError", fmt.Sprintf(format, args...)}
}

func missingError(model string, id int64) *fault {
	return &fault{http.StatusNotFound, "odoo.exceptions.MissingError", fmt.Sprintf("Record does not exist or has been deleted.\n(Record: %s(%d,), User: 2)", model, id)}
}
