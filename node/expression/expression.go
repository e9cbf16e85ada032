package expression

import (
	"fmt"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
)

// costLimit ends an expression with loops (all, exists, map, filter) that works too much.
const costLimit = 1_000_000

// Compile compiles an expression that has to yield one of the kinds wanted, or anything if none is.
//
// Errors: what is wrong and at which character.
func Compile(env *cel.Env, text string, wanted ...*cel.Type) (cel.Program, *cel.Ast, error) {
	checked, issues := env.Compile(text)
	if issues != nil && issues.Err() != nil {
		first := issues.Errors()[0]
		return nil, nil, fmt.Errorf("%s (at character %d of %q)", first.Message, first.Location.Column()+1, text)
	}
	kind := checked.OutputType()
	fits := len(wanted) == 0 || kind.IsExactType(cel.DynType)
	var names []string
	for _, w := range wanted {
		fits = fits || w.IsExactType(kind)
		names = append(names, w.String())
	}
	if !fits {
		return nil, nil, fmt.Errorf("%q yields %s, not %s", text, kind, strings.Join(names, " or "))
	}
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if loops(checked) {
		options = append(options, cel.CostLimit(costLimit)) // counting the cost doubles the time; without a loop it is bounded
	}
	p, err := env.Program(checked, options...)
	return p, checked, err
}

// loops tells whether an expression goes through a list or map.
func loops(checked *cel.Ast) bool {
	found := false
	ast.PreOrderVisit(ast.NavigateAST(checked.NativeRep()), ast.NewExprVisitor(func(e ast.Expr) {
		found = found || e.Kind() == ast.ComprehensionKind
	}))
	return found
}
