//go:build protodeps

// This program prints the .proto files that ours import and that we do not own, from the Go modules that carry their
// descriptors:
//
//	go run -tags protodeps ./proto/deps.go OUTPUT-FOLDER
package main

import (
	"fmt"
	"os"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run -tags protodeps ./proto/deps.go OUTPUT-FOLDER")
		os.Exit(2)
	}
	files := []protoreflect.FileDescriptor{validate.File_buf_validate_validate_proto, status.File_google_rpc_status_proto}
	if err := new(protoprint.Printer).PrintProtosToFileSystem(files, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
