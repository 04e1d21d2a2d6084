# make run | dev | demo | test | check | bench
#
# Each target sets itself up: scripts/setup.sh installs what is missing, or says what to install.
# More flags of ai-proxy: make run ARGS='--port 9000'

# Both files may be absent: without config.yaml, the providers whose usual variable is set are used.
FLAGS = $(if $(wildcard config.yaml),--config config.yaml) \
        $(if $(wildcard pingora.yaml),--conf pingora.yaml) $(ARGS)

# The benchmark's tools, the other member of the workspace, are for Linux only.
LINUX = $(filter Linux,$(shell uname -s))

.DEFAULT_GOAL := help
.PHONY: help run dev demo test test-rust test-otel test-sdk test-bench test-agents check fmt clippy doc \
        bench soak bench-growth bench-instructions bench-codecs bench-usage setup setup-servers setup-test setup-bench setup-instructions

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 28

run: setup ## Build and run the gateway, with config.yaml and pingora.yaml if they are there
	cargo run -- run $(FLAGS)

dev: setup ## The same, rebuilt and restarted when the source changes
	scripts/dev.sh $(FLAGS)

demo: setup ## Run with a built-in provider, without any key, and show a request in each format
	cargo run -- demo $(ARGS)

test: test-rust test-bench test-sdk ## Run all tests

test-rust: setup-servers ## Run the Rust tests: units, end to end, layers
	cargo test

# Another build of the gateway, with what most do not have.
test-otel: setup ## Run the tests of traces
	cargo test --features otel --test e2e traces::

# Of the benchmark only what takes seconds: its rules, and the tools without Pingora.
test-bench: setup ## Run the tests of the benchmark itself
	$(if $(LINUX),cargo test --package ai-proxy-bench --no-default-features --lib)
	python3 -m unittest discover --start-directory benches/gateway

# The tests of the binary build it; `cargo build` would build it again with other features.
test-sdk: setup-test ## Run the official Python and Node SDKs against the gateway
	cargo test --no-run --test e2e
	scripts/test-sdks.sh

# Over a gigabyte from npm, so it is no part of `make test`.
test-agents: setup-test ## Run Claude Code, Codex, Gemini CLI and OpenCode against the gateway
	cargo test --no-run --test e2e
	.venv/bin/python tests/agents/run.py $(ARGS)

# More flags: make bench ARGS='--quick --only chat'. docs/reference/performance.md explains the figures.
bench: setup-bench ## Compare the gateway's cost with bare Pingora's, on this machine
	benches/gateway/bench.py $(ARGS)

release: setup-bench ## Build the fastest binary, with a profile of itself at work: target/pgo/ai-proxy
	benches/gateway/pgo.py $(ARGS)

bench-growth: setup-bench ## Show how cost grows with connections, accounts and names
	benches/gateway/bench.py --growth $(ARGS)

# UPDATE=1 records today's counts as the ones to compare with.
bench-instructions: setup-instructions ## Count instructions of the hot pieces, compare with what is recorded
	benches/gateway/instructions.py $(if $(UPDATE),--update) $(ARGS)

# More flags: make soak ARGS='--minutes 480 --out soak.json'
soak: setup-bench ## Mixed load for half an hour: does memory stay flat, does anything stay open
	benches/gateway/soak.py $(ARGS)

bench-usage: setup ## Time questions about a month of ten million requests
	cargo bench --bench usage

bench-codecs: setup ## Time the translation of requests and streams
	cargo bench --bench translate -- $(ARGS)

check: fmt clippy doc test ## What a change must pass

fmt:
	cargo fmt --check --all

clippy: setup
	cargo clippy $(if $(LINUX),--workspace) --all-targets -- -D warnings
	cargo clippy --features otel --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

setup:
	@scripts/setup.sh build

setup-servers:
	@scripts/setup.sh servers

setup-test:
	@scripts/setup.sh test

setup-bench:
	@scripts/setup.sh bench

setup-instructions:
	@scripts/setup.sh instructions
