#!/bin/sh
# Fail when baaskit/console/static is not what this source builds to: installs exactly the locked packages in a
# copy, builds there, and compares byte for byte. Needs Node >= 20.19; leaves the checkout as it was.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
committed="$here/../baaskit/console/static"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
mkdir -p "$work/console-ui" "$work/baaskit/console"
(cd "$here" && tar -cf - --exclude=node_modules .) | tar -xf - -C "$work/console-ui"
cd "$work/console-ui"
npm ci --no-audit --no-fund --loglevel=error
npm run --silent build >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
if diff -r "$committed" "$work/baaskit/console/static"; then
  echo "baaskit/console/static is up to date"
else
  echo "baaskit/console/static is stale: run  cd console-ui && npm ci && npm run build  and commit the result" >&2
  exit 1
fi
