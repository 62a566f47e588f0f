#!/usr/bin/env bash
# What the tests need besides Python packages: Chromium and Redis from Debian, the official JavaScript client, an OpenID provider.
# PostgreSQL comes from a PyPI wheel in requirements.lock. Idempotent; asks nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null; then
  echo "installing Chromium …"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq chromium >/dev/null
fi
if ! command -v redis-server >/dev/null; then
  echo "installing Redis …"
  sudo=""
  [ "$(id -u)" = 0 ] || sudo="sudo -n"
  $sudo apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq redis-server >/dev/null
fi
echo "installing the JavaScript client …"
scripts/with-node.sh npm --prefix tests/clients ci --silent --no-audit --no-fund
echo "installing the OpenID provider …"
scripts/with-node.sh npm --prefix tests/auth/provider ci --silent --no-audit --no-fund
