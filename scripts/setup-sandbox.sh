#!/usr/bin/env bash
# Functions run best inside bubblewrap. Install it where that needs no question; say what happens where it does not.
set -uo pipefail
command -v bwrap >/dev/null && exit 0
if command -v apt-get >/dev/null; then
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  $sudo apt-get install -y -qq bubblewrap >/dev/null 2>&1 || { $sudo apt-get update -qq && $sudo apt-get install -y -qq bubblewrap; } >/dev/null 2>&1
fi
command -v bwrap >/dev/null || echo "note: bubblewrap is not installed; functions run with resource limits only (docs/topics/functions.md)"
exit 0
