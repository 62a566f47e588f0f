# The contributor's API. `make` alone lists it. CI runs these targets and nothing else.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PORT ?= 54321
HOST ?= 127.0.0.1
PYTHON ?= python3
TEST_PROCESSES ?= 2
BIN := .venv/bin
PY := $(BIN)/python
LOCK := requirements.lock

.PHONY: help setup setup-test demo test test-long unit check console console-check docs bench wheel clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready .cache/pyodide/.ready ## environment, dependencies and the browser runtime of the demo (idempotent)

.venv/.ready: pyproject.toml sdk/pyproject.toml $(LOCK)
	@scripts/setup-python.sh "$(PYTHON)"
	@touch $@

.cache/pyodide/.ready: scripts/vendor_pyodide.py scripts/compile_stdlib.mjs | .venv/.ready
	@$(PY) scripts/vendor_pyodide.py .cache/pyodide
	@scripts/with-node.sh node scripts/compile_stdlib.mjs .cache/pyodide || echo "not compiled ahead of time: the shop's page starts slower"
	@touch $@

setup-test: setup .cache/test-tools.ready ## what tests need besides: PostgreSQL, Chromium, Node packages

.cache/test-tools.ready: scripts/setup-test-tools.sh tests/clients/package.json
	@scripts/setup-test-tools.sh
	@touch $@

demo: setup ## the pet store on SQLite: prints its addresses and keys, keeps running (PORT=, HOST=)
	@exec $(PY) demo-petstore/run.py --host $(HOST) --port $(PORT)

check: setup ## format, lint, types, import contract
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: setup ## only the tests that need no server, in seconds
	$(BIN)/pytest tests -m "not journey and not client and not long" -x

test: setup-test check console-check ## everything: checks, then all tests on SQLite and PostgreSQL, clients and browser
	$(BIN)/pytest tests -m "not long" -n $(TEST_PROCESSES) --dist loadfile

test-long: setup-test ## the long sweeps: 10^5 policies, forced disconnects, kill -9
	TEST_LONG=1 $(BIN)/pytest tests -n $(TEST_PROCESSES) --dist loadfile --timeout 5400

console: ## rebuild the console's assets (needs Node)
	cd console-ui && npm ci --no-audit --no-fund && npm run build

console-check: setup-test ## fail when the committed console assets are not what the source builds to
	@scripts/with-node.sh console-ui/check-stale.sh

docs: setup ## rewrite the pages of docs/reference that are generated
	$(PY) scripts/settings_page.py && $(PY) scripts/cli_page.py && $(PY) scripts/errors_page.py

bench: setup-test ## requests/s and CPU per request beside PocketBase (SQLite), then beside PostgREST (PostgreSQL)
	$(PY) bench/data.py
	$(PY) bench/postgres.py

wheel: setup ## build both distributions into dist-wheel/
	$(BIN)/uv build --wheel --out-dir dist-wheel . && $(BIN)/uv build --wheel --out-dir dist-wheel sdk

clean: ## remove everything that make made
	rm -rf .venv .cache dist-wheel demo-petstore/.baaskit
