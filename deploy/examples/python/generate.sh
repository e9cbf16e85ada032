#!/bin/sh
# Generates the Python code of the protocol into a folder, from nothing but protoc, its gRPC plugin and proto/plantmesh.binpb,
# which holds every .proto file with all that it imports.
#
#   sudo apt install protobuf-compiler protobuf-compiler-grpc python3-grpcio python3-protobuf
#   deploy/examples/python/generate.sh OUTPUT-FOLDER
#
# With PyPI's grpcio-tools, `python3 -m grpc_tools.protoc` takes the same arguments but for --plugin.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 OUTPUT-FOLDER" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/../../../proto"
plugin=$(command -v grpc_python_plugin) || { echo "grpc_python_plugin is missing: install protobuf-compiler-grpc" >&2; exit 1; }
# shellcheck disable=SC2046 # names without blanks
protoc --descriptor_set_in=plantmesh.binpb --plugin=protoc-gen-grpc_python="$plugin" --python_out="$out" --grpc_python_out="$out" \
  $(find plantmesh -name '*.proto') buf/validate/validate.proto google/rpc/status.proto
