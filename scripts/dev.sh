#!/usr/bin/env bash
# Runs the gateway, and builds and starts it anew when its source changes: scripts/dev.sh [FLAGS]
#
# FLAGS are those of ai-proxy. Changes of config.yaml need no restart: the gateway follows the file.
set -euo pipefail
cd "$(dirname "$0")/.."

watched=(src Cargo.toml Cargo.lock)

if cargo watch --version >/dev/null 2>&1; then
  exec cargo watch --watch src --watch Cargo.toml --shell "cargo run -- run $*"
fi

gateway=
built=$(mktemp)

# Ends the running gateway without waiting for open streams.
stop() {
  [ -n "$gateway" ] || return 0
  kill -INT "$gateway" 2>/dev/null || true
  wait "$gateway" 2>/dev/null || true
  gateway=
}
trap 'stop; rm -f "$built"' EXIT
trap 'exit 0' INT TERM

while true; do
  touch "$built"
  # What does not compile leaves the last gateway running.
  if cargo build; then
    stop
    "${CARGO_TARGET_DIR:-target}/debug/ai-proxy" run "$@" &
    gateway=$!
  fi
  until [ -n "$(find "${watched[@]}" -newer "$built" -print -quit)" ]; do
    sleep 1
  done
done
