package expression_test

import (
	"strings"
	"testing"

	"cel.dev/cel-go/cel"

	"github.com/plantmesh/plantmesh/node/expression"
)

func TestExpressionOfAnotherKindOrWithAFaultSaysWhatAndWhere(t *testing.T) {
	env, err := cel.NewEnv(cel.Variable("site", cel.StringType))
	if err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		"site":        `"site" yields string, not bool`,
		"site == ":    "(at character",
		"siet == 'a'": "undeclared reference to 'siet'",
	} {
		if _, _, err := expression.Compile(env, text, cel.BoolType); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want it to say %s", text, err, says)
		}
	}
	if _, _, err := expression.Compile(env, "site == 'plant-a'", cel.BoolType); err != nil {
		t.Error(err)
	}
}

func TestExpressionThatWorksWithoutEndIsEnded(t *testing.T) {
	env, err := cel.NewEnv(cel.Variable("many", cel.ListType(cel.IntType)))
	if err != nil {
		t.Fatal(err)
	}
	p, _, err := expression.Compile(env, "many.all(a, many.all(b, many.all(c, a + b + c >= 0)))", cel.BoolType)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := p.Eval(map[string]any{"many": make([]int64, 1000)}); err == nil || !strings.Contains(err.Error(), "cost limit") {
		t.Errorf("a thousand million steps: %v", err)
	}
}
