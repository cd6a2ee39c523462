# tlsreactor's targets. CI runs these and nothing else; `make` alone is `make check`.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
EXHAUSTIVE  := github.com/nishanths/exhaustive/cmd/exhaustive@v0.17.1

# A switch over one of our enums has a case for each value. Foreign types and the numbers of
# IANA's registries are open by nature: there a default is the rule.
OPEN_TYPES  := ^(crypto|log|reflect)[/.]|/internal/wire\.|/internal/record\.Type$$|/tlsconn\.Alert$$
# The last constant of an enum, which counts the others, is no value.
SENTINELS   := \.[a-z][A-Za-z]*Count$$

# What the knobs mean:
#   TESTFLAGS  more flags for `make test`, e.g. TESTFLAGS=-v
#   COUNT      how often `make race` repeats each test
#   FUZZTIME   how long `make fuzz` gives each target
#   FUZZ       a regular expression of the targets that `make fuzz` runs
#   BENCHFLAGS flags for the program that `make bench` runs
TESTFLAGS  ?=
COUNT      ?= 10
FUZZTIME   ?= 20s
FUZZ       ?= .
BENCHFLAGS ?=

.PHONY: check
check: ## gofmt, vet, staticcheck, exhaustive switches, the house's arrows and sizes
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w is needed for:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin $(GO) vet ./tlsconn/...
	$(GO) run $(STATICCHECK) ./...
	$(GO) run $(EXHAUSTIVE) -typeignore '$(OPEN_TYPES)' -constignore '$(SENTINELS)' ./...
	$(GO) test ./cmd/tlsreactor/internal/house

.PHONY: build
build: ## bin/tlsreactor, a static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/tlsreactor ./cmd/tlsreactor

.PHONY: run
run: build ## the main job on its default: a page on https://127.0.0.1:8443/
	./bin/tlsreactor serve

.PHONY: test
test: have-tools ## every test, under the race detector; installs nothing
	$(GO) test -race -timeout 18m $(TESTFLAGS) ./...

.PHONY: race
race: have-tools ## the packages that others build on, many times over
	$(GO) test -race -count=$(COUNT) -timeout 60m ./poller/... ./tlsconn/... ./reactor/...

.PHONY: cover
cover: have-tools ## statement coverage of each function, all tests together
	@mkdir -p bin
	$(GO) test -coverpkg=./... -coverprofile=bin/cover.out ./...
	$(GO) tool cover -func=bin/cover.out

.PHONY: cover-engine
cover-engine: have-tools ## statement coverage of tlsconn, by its own tests; BoGo's shim, a program for tests, left out
	@mkdir -p bin
	$(GO) test -coverpkg=./tlsconn/... -coverprofile=bin/tlsconn.out ./tlsconn/...
	@grep -v /bogoshim/ bin/tlsconn.out >bin/engine.out
	$(GO) tool cover -func=bin/engine.out | tail -n 1

# go test fuzzes one target of one package at a time, so they are found and run in turn.
.PHONY: fuzz
fuzz: ## every fuzz target, FUZZTIME each
	@set -e; for package in $$($(GO) list ./...); do \
		targets=$$($(GO) test -list '^Fuzz' $$package); \
		for target in $$(echo "$$targets" | grep '^Fuzz' | grep -E '$(FUZZ)'); do \
			echo "== $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 3s $$package; \
		done; \
	done

# The exhaustive splits run without the race detector, which would make hours of them; their
# seeded sample runs under it in `make test`.
.PHONY: verify
verify: check test ## everything, for hours rather than minutes
	TLSREACTOR_EXHAUSTIVE=1 $(GO) test -count=1 -timeout 120m ./tlsconn/...
	$(MAKE) race
	$(MAKE) fuzz

.PHONY: bench
bench: build ## beside crypto/tls: memory, handshakes, bulk, latency calm and stormed; six minutes
	$(GO) run ./bench $(BENCHFLAGS)

.PHONY: bench-remote-key
bench-remote-key: ## bursts of handshakes beside echoes, with the key in another process, 50 ms away; a minute
	$(GO) run ./bench -remote-key $(BENCHFLAGS)

.PHONY: interop
interop: have-tools ## the matrix with other TLS stacks, whose table it writes into README.md
	$(GO) test -race -count=1 -timeout 10m -run '^TestInteroperation$$' -v ./tlsconn -update

.PHONY: bogo-shim
bogo-shim: ## bin/bogo_shim, which BoGo drives to test the engine
	$(GO) build -o bin/bogo_shim ./tlsconn/internal/bogoshim

# BOGO_RUNNER is a test binary of ssl/test/runner in BoringSSL's repository, made by
# `go test -c` there.
.PHONY: bogo
bogo: bogo-shim ## BoringSSL's conformance suite, run by BOGO_RUNNER
	@test -x "$(BOGO_RUNNER)" || { echo "make bogo BOGO_RUNNER=path: a test binary of BoringSSL's ssl/test/runner"; exit 1; }
	$(abspath $(BOGO_RUNNER)) -shim-path $(CURDIR)/bin/bogo_shim -shim-config $(CURDIR)/tlsconn/testdata/bogo_config.json -allow-unimplemented -pipe

# What the tests call, as command:Debian package. The race detector needs a C compiler; the last
# three lines are TLS stacks that share no code with ours, to talk to.
TOOLS := openssl:openssl curl:curl cc:gcc systemd-analyze:systemd strace:strace nginx:nginx \
	gnutls-cli:gnutls-bin gnutls-serv:gnutls-bin \
	tstclnt:libnss3-tools selfserv:libnss3-tools certutil:libnss3-tools pk12util:libnss3-tools \
	python3:python3 node:nodejs java:default-jdk-headless javac:default-jdk-headless chromium:chromium

# Debian has nginx where only root's PATH looks.
export PATH := $(PATH):/usr/sbin

.PHONY: have-tools
have-tools:
	@missing=; for tool in $(TOOLS); do \
		command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool%%:*}"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "The tests need these commands, which are missing:$$missing"; \
		echo "'make deps' installs them (apt-get, as root or through sudo)."; exit 1; \
	fi

.PHONY: deps
deps: ## installs what the tests need (root or sudo) and downloads the modules
	@missing=; for tool in $(TOOLS); do \
		command -v $${tool%%:*} >/dev/null || missing="$$missing $${tool##*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		sudo=; if [ "$$(id -u)" != 0 ]; then sudo=sudo; fi; \
		command -v apt-get >/dev/null || { echo "No apt-get here; install by hand:$$missing"; exit 1; }; \
		set -ex; \
		$$sudo apt-get -o Acquire::Retries=5 update -q; \
		$$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=5 install -q -y --no-install-recommends ca-certificates libc6-dev $$missing; \
	fi
	$(GO) mod download

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 12
