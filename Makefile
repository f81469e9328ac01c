# Every target runs in .venv, which is made on first use and again after pyproject.toml or constraints.txt changed.
#   PYTHON=python3.12   the interpreter to build .venv from
#   TORCH_INDEX=URL     one more package index for torch, where the usual one has no build for this machine

PYTHON ?= python3
TORCH_INDEX ?=
SEED ?=
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python -m
PIP := $(RUN) pip install --quiet --quiet --constraint constraints.txt
STAMP := $(VENV)/installed
# what `make check` runs as tests: sizes, names, exports
STRUCTURE := tests/test_file_sizes.py tests/test_exports.py
# two processes, each with one thread for products: small machines have two cores
FAST_TESTS := OMP_NUM_THREADS=1 $(RUN) pytest -m "not slow" --numprocesses 2 --dist loadfile

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help venv demo serve check test test-all chaos clean

help:  ## what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed and \`$(PYTHON)\` is none; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || \
	  { echo "error: \`$(PYTHON) -m venv\` failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing torch (some 200 MB, minutes on the first run)"
	@$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) torch
	@echo "installing everything else"
	@$(PIP) setuptools
	@$(PIP) --no-build-isolation --editable '.[dev,bench]'
	@touch $@

demo: venv  ## three tasks from plan to checked answer; SEED=7 repeats one run
	@$(RUN) orchestrator.demo $(if $(SEED),--seed $(SEED))

serve: venv  ## the HTTP API; ARGS="--port 9000" passes options on
	@$(VENV)/bin/ccoe serve $(ARGS)

check: venv  ## lint, format, strict types, layers, sizes, exports
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) pyright
	$(VENV)/bin/lint-imports
	$(RUN) pytest --quiet $(STRUCTURE)

test: check  ## check, then the tests without the long runs
	$(FAST_TESTS)

test-all: check  ## check, then every test, also on Debian's Redis and PostgreSQL
	@(command -v redis-server && ls /usr/lib/postgresql/*/bin/initdb) >/dev/null 2>&1 || \
	  (apt-get update -qq && apt-get install -y -qq redis-server postgresql) >/dev/null 2>&1 || \
	  echo "redis-server or postgresql is missing and cannot be installed: its tests are left out" >&2
	$(FAST_TESTS)
	$(RUN) pytest -m slow

chaos: venv  ## kill workers and Valkey; one table of what was lost or done twice
	@$(RUN) tests.orchestrator.chaos

clean:  ## remove all that was made here, .venv too
	rm -rf $(VENV) .demo build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find experts graphs orchestrator tests -name __pycache__ -prune -exec rm -rf {} +
