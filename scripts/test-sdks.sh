#!/usr/bin/env bash
# Runs the official SDKs against the built gateway: scripts/test-sdks.sh [node|python]
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-target}
AI_PROXY_BIN=$(realpath "${AI_PROXY_BIN:-$target/debug/ai-proxy}")
# Node may have been installed there.
PATH="$PWD/.venv/bin:$PATH"
export AI_PROXY_BIN PATH

which=${1:-both}
if [ "$which" != python ]; then
  (cd tests/sdk/node && node --test --test-concurrency=2 --test-reporter=spec)
fi
if [ "$which" != node ]; then
  (cd tests/sdk/python && python -m pytest --quiet)
  (cd tests/sdk/python && STRICT_PYTHON=$(command -v python) "$OLDPWD/.venv-langchain/bin/python" -m pytest --quiet test_langchain.py)
fi
