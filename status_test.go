package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// declared are the names of the sentinels in errors.go.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, n := range identifiers(t, "errors.go", func(n ast.Node) ast.Node {
		if spec, ok := n.(*ast.ValueSpec); ok {
			return spec.Names[0]
		}
		return nil
	}) {
		names[n] = true
	}
	return names
}

// identifiers parses a file and collects the identifiers that pick finds.
func identifiers(t *testing.T, file string, pick func(ast.Node) ast.Node) (names []string) {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if id, ok := pick(n).(*ast.Ident); ok && strings.HasPrefix(id.Name, "Err") {
			names = append(names, id.Name)
		}
		return true
	})
	return names
}

func TestEverySentinelCrossesTheWire(t *testing.T) {
	inTable := identifiers(t, "status.go", func(n ast.Node) ast.Node {
		if lit, ok := n.(*ast.CompositeLit); ok && lit.Type == nil && len(lit.Elts) > 0 {
			return lit.Elts[0]
		}
		return nil
	})
	if len(inTable) != len(wires) {
		t.Fatalf("%d names for %d rows of the table", len(inTable), len(wires))
	}
	names := declared(t)
	for _, name := range inTable {
		if !names[name] {
			t.Errorf("%s is not one of errors.go, or stands twice in the table", name)
		}
		delete(names, name)
	}
	for name := range names {
		t.Errorf("%s is missing in the table of status.go", name)
	}

	reasons := map[string]bool{}
	for _, w := range wires {
		if reasons[w.reason] {
			t.Errorf("reason %s stands twice", w.reason)
		}
		reasons[w.reason] = true
		local := fmt.Errorf("plant-a/production@7: %w", w.err)
		s := Status(local)
		if s.Code() != w.code || s.Message() != local.Error() {
			t.Errorf("%s: status %v", w.reason, s)
		}
		remote := FromStatus(s.Err())
		if !errors.Is(remote, w.err) || remote.Error() != local.Error() || status.Code(remote) != w.code {
			t.Errorf("%s: came back as %v", w.reason, remote)
		}
		for _, err := range []error{local, remote, fmt.Errorf("again: %w", remote)} {
			if IsRetryable(err) != w.retry {
				t.Errorf("%s: retryable %t", w.reason, !w.retry)
			}
		}
		if hasRetryInfo(s) != w.retry {
			t.Errorf("%s: RetryInfo %t", w.reason, hasRetryInfo(s))
		}
		if again := Status(fmt.Errorf("relayed: %w", remote)); again.Code() != w.code {
			t.Errorf("%s: relayed as %v", w.reason, again)
		}
	}
}

func hasRetryInfo(s *status.Status) bool {
	for _, d := range s.Details() {
		if _, ok := d.(*errdetails.RetryInfo); ok {
			return true
		}
	}
	return false
}

func TestTypedErrorsKeepTheirFields(t *testing.T) {
	for _, want := range []error{
		&InvalidEventError{ID: "7", Violations: []Violation{
			{Index: 3, Field: "data.quantity.value", Rule: "string.pattern", Value: `5," (value`, Text: "must be a decimal"},
			{Index: 4, Field: "id", Rule: "required", Text: "value is required"},
		}},
		&ConflictError{Source: "//plant-a/mes", ID: "7", Stream: "plant-a/production", Offset: 12, Index: 2},
		&OffsetError{Stream: "plant-a/production", Asked: 1, Earliest: 5, End: 9, Err: ErrOffsetTrimmed},
		&OffsetError{Stream: "plant-a/production", Asked: 11, Earliest: 5, End: 9, Err: ErrOffsetBeyondHead},
	} {
		got := errors.Unwrap(FromStatus(Status(fmt.Errorf("publish: %w", want)).Err()))
		if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Errorf("%#v came back as %#v", want, got)
		}
	}
}

func TestErrorsThatAreNotOursKeepTheirCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{errors.New("surprise"), codes.Internal},
		{fmt.Errorf("wait: %w", context.Canceled), codes.Canceled},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), codes.DeadlineExceeded},
		{status.Error(codes.Unimplemented, "no such method"), codes.Unimplemented},
	} {
		s := Status(test.err)
		if s.Code() != test.want {
			t.Errorf("%v: %v", test.err, s)
		}
		if got := FromStatus(s.Err()); status.Code(got) != test.want || IsRetryable(got) {
			t.Errorf("%v came back as %v", test.err, got)
		}
	}
	if !IsRetryable(status.Error(codes.Unavailable, "connection refused")) {
		t.Error("a lost connection is not retryable")
	}
}
