package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh"
)

func TestAnswerToAReverseConnectionCrossesTheWire(t *testing.T) {
	for _, want := range []error{nil, plantmesh.ErrAlreadyLinked, plantmesh.ErrSelfLink, plantmesh.ErrShuttingDown} {
		said := want
		if want != nil {
			said = fmt.Errorf("%w: because", want)
		}
		var wire bytes.Buffer
		if err := writeAnswer(&wire, said); err != nil {
			t.Fatal(err)
		}
		wire.WriteString("PRI * HTTP/2.0")
		if got := readAnswer(&wire); !errors.Is(got, want) || want != nil && !strings.Contains(got.Error(), "because") {
			t.Errorf("got %v, want %v", got, want)
		}
		if wire.String() != "PRI * HTTP/2.0" {
			t.Errorf("what follows the answer was read: %q is left", &wire)
		}
	}
	var wire bytes.Buffer
	if err := writeAnswer(&wire, errors.New(strings.Repeat("too long ", 1000))); err != nil {
		t.Fatal(err)
	}
	if got := readAnswer(&wire); got == nil || len(got.Error()) > maxAnswerBytes {
		t.Errorf("got %v", got)
	}
}

func FuzzReverseAnswer(f *testing.F) {
	for _, err := range []error{nil, plantmesh.ErrAlreadyLinked, errors.New("anything")} {
		var wire bytes.Buffer
		if err := writeAnswer(&wire, err); err != nil {
			f.Fatal(err)
		}
		f.Add(wire.Bytes())
	}
	f.Add([]byte{0xff, 0xff})
	f.Fuzz(func(t *testing.T, answer []byte) {
		r := bytes.NewReader(answer)
		err := readAnswer(r)
		if read := len(answer) - r.Len(); read > 2+maxAnswerBytes {
			t.Errorf("%d bytes were read", read)
		}
		if err == nil && len(answer) < 2 {
			t.Error("half an answer was taken for a yes")
		}
		if len(answer) >= 2 && len(answer) < 2+int(answer[0])<<8+int(answer[1]) && err == nil {
			t.Error(io.ErrUnexpectedEOF)
		}
	})
}
