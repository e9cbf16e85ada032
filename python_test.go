package plantmesh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonClient generates the client as README says.
func pythonClient(t *testing.T) (run func(script string, args ...string) (string, error)) {
	t.Helper()
	const python = "/usr/bin/python3" // the one that Debian's packages are for
	for _, tool := range []string{"protoc", "grpc_python_plugin", python} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%v: install python3-grpcio python3-protobuf protobuf-compiler protobuf-compiler-grpc", err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), python, "-c", "import grpc, google.protobuf").CombinedOutput(); err != nil {
		t.Skipf("%s: install python3-grpcio python3-protobuf", strings.TrimSpace(string(out)))
	}
	generated := filepath.Join(t.TempDir(), "generated")
	if out, err := exec.CommandContext(t.Context(), "deploy/examples/python/generate.sh", generated).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(script string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), python, append([]string{script}, args...)...)
		cmd.Env = append(os.Environ(), "PYTHONPATH="+generated, "PYTHONDONTWRITEBYTECODE=1", "GRPC_VERBOSITY=ERROR")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// TestPythonExampleTalksToARealNode runs the examples, one after the other.
func TestPythonExampleTalksToARealNode(t *testing.T) {
	python := pythonClient(t)
	p, _ := startPlant(t)
	for _, duplicate := range []string{"False", "True"} {
		out, err := python("deploy/examples/python/report.py", p.cfg.Listen, "plant-a", p.mes.Cert, p.mes.Key, p.mes.CA)
		want := "recorded in plant-a/production at offset 1, duplicate: " + duplicate + "\norder/WO-1001: 40 C62\n"
		if err != nil || out != want {
			t.Fatalf("%v:\n%s", err, out)
		}
	}
	out, err := python("deploy/examples/python/consume.py", p.cfg.Listen, "plant-a", p.mes.Cert, p.mes.Key, p.mes.CA, "1")
	if err != nil || out != "order/WO-1001: 40 C62, attempt 1\n" {
		t.Fatalf("%v:\n%s", err, out)
	}
	if list := consumersAt(t, p); len(list) != 1 || list[0].GetName() != "mes/completions" || list[0].GetCounts().GetApplied() != 1 {
		t.Errorf("%v", list)
	}
}
