#!/usr/bin/env bash
# Make .venv from the lock file. Idempotent; asks nothing. Argument: the Python to use (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
python="${1:-python3}"
if ! command -v "$python" >/dev/null || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "baaskit needs Python 3.11 or newer; '$python' is not. Say which: make setup PYTHON=python3.12" >&2
  exit 1
fi
if [ ! -x .venv/bin/python ]; then
  "$python" -m venv .venv 2>/dev/null || {
    echo "Python's venv module is missing; on Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
fi
[ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
scripts/setup-sandbox.sh
echo "installing Python packages …"
.venv/bin/uv pip sync --quiet --python .venv/bin/python requirements.lock
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e sdk -e .
