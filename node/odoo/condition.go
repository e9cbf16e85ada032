package odoo

import (
	"fmt"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/ext"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/expression"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Names that the expressions of at_once can use.
const (
	namePayload = "payload"
	nameSite    = "site" // that recorded the event
)

// condition is an expression about the events of one type.
type condition struct{ program cel.Program }

// compileCondition compiles an expression about a type of the catalog, which is named with or without its package. Fields that the type does not
// have are found here.
func compileCondition(name, text string) (plantmesh.EventType, condition, error) {
	kind, err := plantmesh.LookupEventType(name)
	if err != nil {
		local := string(manufacturingv1.File_plantmesh_manufacturing_v1_finance_proto.Package()) + "." + name
		if kind, err = plantmesh.LookupEventType(local); err != nil {
			return plantmesh.EventType{}, condition{}, fmt.Errorf("%w %q: `plantmesh publish --list-types` names the catalog's", plantmesh.ErrUnknownEventType, name)
		}
	}
	env, err := cel.NewEnv(
		cel.Types(kind.New()), cel.Variable(namePayload, cel.ObjectType(kind.Name)), cel.Variable(nameSite, cel.StringType), ext.Strings())
	if err != nil {
		return plantmesh.EventType{}, condition{}, err
	}
	program, _, err := expression.Compile(env, text, cel.BoolType)
	return kind, condition{program}, err
}

// holds tells whether the condition does, or cannot be asked.
func (c condition) holds(e *eventv1.RecordedEvent) bool {
	payload, err := plantmesh.Payload(e.GetEvent())
	if err != nil {
		return true
	}
	value, _, err := c.program.Eval(map[string]any{namePayload: payload, nameSite: e.GetSite()})
	return err != nil || value.Value() == true
}
