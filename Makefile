# What people and CI run. `make help` lists it.

GO ?= go
BUF ?= $(GO) run github.com/bufbuild/buf/cmd/buf@v1.75.0
GOLANGCI_LINT ?= $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 20s
BENCHTIME ?= 1s
SEEDS ?= 300
FIRST ?= 0

.PHONY: bench-odoo bench-peers crashpoints simulate help build test race lint proto-deps proto-lint gen gen-check fuzz bench demo test-net test-browser test-python test-odoo test-odoo-addon test-odoo-log test-odoo-kill test-jaeger

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

build: ## one static binary, bin/plantmesh
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/plantmesh ./cmd/plantmesh

test: ## all tests that need nothing but Go
	$(GO) test ./...

race: ## the same with the race detector
	$(GO) test -race ./...

lint: proto-lint ## formatting, vet (also for Windows and macOS), golangci-lint, buf
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...
	$(GOLANGCI_LINT) run ./...

proto-deps: ## print the .proto files that ours import into .proto-deps
	@test -d .proto-deps || $(GO) run -tags protodeps ./proto/deps.go .proto-deps

proto-lint: proto-deps ## buf lint, format and, once there is a release, breaking
	$(BUF) lint
	$(BUF) format -d --exit-code proto
	@tag=$$(git describe --tags --abbrev=0 --match 'v*' 2>/dev/null); \
	if [ -z "$$tag" ]; then echo 'buf breaking: SKIPPED, there is no release tag yet to compare with'; exit 0; fi; \
	old=$$(mktemp -d) && git show "$$tag:proto/plantmesh.binpb" >"$$old/release.binpb" && echo "buf breaking: against $$tag" && \
	$(BUF) breaking proto --against "$$old/release.binpb" --exclude-imports; result=$$?; rm -rf "$$old"; exit $$result

gen: proto-deps ## generate Go and the descriptor set from the .proto files
	$(BUF) format -w proto
	$(BUF) generate
	$(BUF) build proto --as-file-descriptor-set -o proto/plantmesh.binpb

gen-check: ## fail if generating changes anything
	@sums() { find proto -type f | sort | xargs sha256sum; }; before=$$(sums); \
	$(MAKE) --no-print-directory gen BUF='$(BUF)' || exit 1; after=$$(sums); \
	[ "$$before" = "$$after" ] || { git --no-pager diff --stat -- proto; echo 'what is generated was not up to date: run make gen and commit it'; exit 1; }

fuzz: ## every fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

CRASHPOINTS ?= 10000
simulate: ## meshes of any shape in virtual time, under SEEDS random histories of faults, from seed FIRST on
	$(GO) test -count=1 -timeout 60m -run TestMeshConvergesAfterAnyHistory ./mesh -mesh.seeds $(SEEDS) -mesh.first $(FIRST)

bench-peers: ## plantmesh and NATS JetStream side by side
	$(GO) run -C cmd/meshbench . --rounds 5

crashpoints: ## cut the power of a log at CRASHPOINTS changes of its disk, and check each that is left
	$(GO) test -count=1 -timeout 20m -run CrashAtEveryChange -v ./storage -storage.crashpoints $(CRASHPOINTS)

bench: ## benchmarks; BENCHTIME=5s for steadier figures
	$(GO) test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...

demo: ## five sites, and what breaks them
	$(GO) run ./cmd/plantmesh demo

test-net: ## real nodes in network namespaces: cut, stopped, killed, starved (Linux, root, iproute2)
	PLANTMESH_NETLAB=1 $(GO) test -count=1 -parallel 8 -timeout 15m -v ./cmd/plantmesh/internal/netlab

test-browser: ## the console of a real node in a real browser (chromium); PLANTMESH_SCREENSHOTS=folder keeps pictures
	$(GO) test -count=1 -v ./cmd/plantmesh/internal/browser

test-python: ## the Python example on a real node (protoc, its gRPC plugin, python3-grpcio)
	$(GO) test -count=1 -run Python -v .

test-odoo: ## the contract suite on a real Odoo 19, over both APIs or that of ODOO_API: the one of ODOO_URL, ODOO_DB and ODOO_API_KEY, or one that this starts (Debian, root)
	if [ -z "$$ODOO_URL" ]; then \
	  env=$$(deploy/dev/odoo-up clone setup) && eval "$$env" && export ODOO_FRESH_DB=$$ODOO_DB && \
	  env=$$(deploy/dev/odoo-up clone contract) && eval "$$env"; \
	fi && $(GO) test -count=1 -p 1 ./node/odoo/...

test-odoo-addon: ## the contract suite on a real Odoo 19 that has the add-on in place of server actions, over JSON-2 or that of ODOO_API (Debian, root)
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"; ODOO_PORT=8169 deploy/dev/odoo-up halt' EXIT && $(GO) run ./cmd/plantmesh odoo addon --out "$$dir" && chmod -R a+rX "$$dir" && \
	  export ODOO_ADDONS=$$dir ODOO_PORT=8169 ODOO_CODE=addon ODOO_API=$${ODOO_API:-json2} && deploy/dev/odoo-up halt && \
	  env=$$(deploy/dev/odoo-up clone addon_setup) && eval "$$env" && export ODOO_FRESH_DB=$$ODOO_DB && \
	  env=$$(deploy/dev/odoo-up clone addon) && eval "$$env" && $(GO) test -count=1 -timeout 20m ./node/odoo/odootest

test-odoo-log: ## a factory's real log, from an empty Odoo 19 on, against its known answers (Debian, root, ../shared/data); PLANTMESH_LOG_ORDERS=40 for a part
	env=$$(deploy/dev/odoo-up clone log) && eval "$$env" && ODOO_LOG_DB=$$ODOO_DB $(GO) test -count=1 -timeout 60m -v ./cmd/plantmesh/internal/reallog

test-odoo-kill: ## the node that faces Odoo is killed again and again over a long run, on a real Odoo 19 with two workers (Debian, root); PLANTMESH_KILL_EVENTS=300 for a short one, PLANTMESH_KILL_SEED to repeat one
	env=$$(ODOO_PORT=8169 ODOO_WORKERS=2 deploy/dev/odoo-up clone kill) && eval "$$env" && $(GO) test -count=1 -timeout 120m -v -run RealOdoo ./cmd/plantmesh/internal/killrun; \
	  status=$$?; ODOO_PORT=8169 deploy/dev/odoo-up halt; exit $$status

bench-odoo: ## events applied a second in a real Odoo 19 (Debian, root), beside the same work by bare calls
	env=$$(deploy/dev/odoo-up clone bench) && eval "$$env" && $(GO) test -run '^$$' -bench RealOdoo -benchtime 100x ./node/odoo/odootest

test-jaeger: ## the trace test on a Jaeger: JAEGER_OTLP=http://127.0.0.1:4317 JAEGER_QUERY=http://127.0.0.1:16686
	$(GO) test -count=1 -run Jaeger -v ./node/
