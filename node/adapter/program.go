package adapter

import (
	"errors"
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"

	"github.com/plantmesh/plantmesh/node/expression"
)

// program is a compiled expression.
type program struct {
	cel.Program
	kind *cel.Type // of what it yields
}

// compiler compiles the expressions of one mapping and collects what is wrong with them.
type compiler struct {
	path   string
	env    *cel.Env
	faults []error

	columns, optionals []string // that the expressions read
}

// fault notes an error at a place of the file.
func (c *compiler) fault(at Expression, format string, args ...any) {
	c.faults = append(c.faults, fmt.Errorf("mapping %s:%d:%d: %s", c.path, at.Line, at.Column, fmt.Sprintf(format, args...)))
}

// compile compiles an expression that has to yield one of the kinds wanted. what names it in errors. A fault is noted and nil returned.
func (c *compiler) compile(what string, e Expression, wanted ...*cel.Type) *program {
	p, checked, err := expression.Compile(c.env, e.Text, wanted...)
	if checked != nil {
		c.note(checked)
	}
	if err != nil {
		c.fault(e, "%s: %v", what, err)
		return nil
	}
	return &program{Program: p, kind: checked.OutputType()}
}

// optional compiles an expression unless it is empty.
func (c *compiler) optional(what string, e Expression, wanted ...*cel.Type) *program {
	if e.Text == "" {
		return nil
	}
	return c.compile(what, e, wanted...)
}

// declare makes a name known to the expressions that follow.
func (c *compiler) declare(name string, kind *cel.Type) error {
	extended, err := c.env.Extend(cel.Variable(name, kind))
	if err == nil {
		c.env = extended
	}
	return err
}

// run evaluates a program for a row. field names it in the error, which is a *RowError.
func (p *program) run(field string, row *activation) (ref.Val, error) {
	value, _, err := p.Eval(row)
	if err == nil {
		return value, nil
	}
	var already *RowError // of a var
	if errors.As(err, &already) {
		return nil, already
	}
	return nil, &RowError{Line: row.line, Field: field, Reason: explain(err)}
}

// explain says an evaluation error in the words of a table.
func explain(err error) string {
	text := err.Error()
	if column, ok := strings.CutPrefix(text, "no such key: "); ok {
		return fmt.Sprintf("no entry %q: neither a column of the file nor a key of the list in the mapping", column)
	}
	return text
}
