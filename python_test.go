package plantmesh_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPythonExampleTalksToARealNode generates the client as README says and runs it.
func TestPythonExampleTalksToARealNode(t *testing.T) {
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
	p, _ := startPlant(t)
	for _, duplicate := range []string{"False", "True"} {
		report := exec.CommandContext(t.Context(), python, "deploy/examples/python/report.py", p.cfg.Listen, "plant-a", p.mes.Cert, p.mes.Key, p.mes.CA)
		report.Env = append(os.Environ(), "PYTHONPATH="+generated, "PYTHONDONTWRITEBYTECODE=1", "GRPC_VERBOSITY=ERROR")
		out, err := report.CombinedOutput()
		want := "recorded in plant-a/production at offset 1, duplicate: " + duplicate + "\norder/WO-1001: 40 C62\n"
		if err != nil || string(out) != want {
			t.Fatalf("%v:\n%s", err, out)
		}
	}
}
