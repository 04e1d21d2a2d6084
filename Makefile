# make run | dev | demo | test | check
#
# Each target sets itself up: scripts/setup.sh installs what is missing, or says what to install.
# More flags of ai-proxy: make run ARGS='--port 9000'

# Both files may be absent: without config.yaml, the providers whose usual variable is set are used.
FLAGS = $(if $(wildcard config.yaml),--config config.yaml) \
        $(if $(wildcard pingora.yaml),--conf pingora.yaml) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run dev demo test test-rust test-sdk test-agents check fmt clippy doc setup setup-test

help: ## Show the targets
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

run: setup ## Build and run the gateway, with config.yaml and pingora.yaml if they are there
	cargo run -- run $(FLAGS)

dev: setup ## The same, rebuilt and restarted when the source changes
	scripts/dev.sh $(FLAGS)

demo: setup ## Run with a built-in provider, without any key, and show a request in each format
	cargo run -- demo $(ARGS)

test: test-rust test-sdk ## Run all tests

test-rust: setup ## Run the Rust tests: units, end to end, layers
	cargo test

# The tests of the binary build it; `cargo build` would build it again with other features.
test-sdk: setup-test ## Run the official Python and Node SDKs against the gateway
	cargo test --no-run --test e2e
	scripts/test-sdks.sh

# Over a gigabyte from npm, so it is no part of `make test`.
test-agents: setup-test ## Run Claude Code, Codex, Gemini CLI and OpenCode against the gateway
	cargo test --no-run --test e2e
	.venv/bin/python tests/agents/run.py $(ARGS)

check: fmt clippy doc test ## What a change must pass

fmt:
	cargo fmt --check

clippy: setup
	cargo clippy --all-targets -- -D warnings

doc: setup
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

setup:
	@scripts/setup.sh build

setup-test:
	@scripts/setup.sh test
