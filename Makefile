# SPDX-License-Identifier: Apache-2.0
# `make demo` shows Runwright at work, `make test` runs its tests, `make check` is everything that CI runs.
# Each target first puts what it needs into .venv; the second time there is nothing to do. PYTHON= names the Python to use.

BIN  := .venv/bin
DEMO := .venv/.ready-for-demo
DEV  := .venv/.ready-for-development
PIP  := $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt

check: lint types arch test
demo:  $(DEMO) ; @$(BIN)/runwright demo
test:  $(DEV)  ; @$(BIN)/python -m pytest -q --cov --cov-report=term:skip-covered
# All that `make test` tries a sample of: each point to kill a run at, 100,000 turns, ... It takes about twenty minutes.
faults: $(DEV) ; @RUNWRIGHT_FAULTS=full $(BIN)/python -m pytest -q -o faulthandler_timeout=4000 tests/faults
lint:  $(DEV)  ; @$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .
types: $(DEV)  ; @$(BIN)/pyright --pythonpath $(BIN)/python
arch:  $(DEV)  ; @$(BIN)/lint-imports
bench: $(DEV)  ; @$(BIN)/python -m benchmarks --vs google-adk==2.13.0
clean:         ; @rm -rf .venv .nox .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage* htmlcov build dist
.PHONY: check demo test faults lint types arch bench clean
.NOTPARALLEL:

# pip says nothing but errors; where there is one, a second try says everything (an index that cannot be reached, say).
AGAIN := That failed. Once more, with all that pip has to say:
$(DEMO): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Runwright and its command line into .venv (once, less than a minute) ..."
	@$(PIP) -qq -e '.[cli]' || { echo "$(AGAIN)"; $(PIP) -e '.[cli]'; }
	@touch $(DEMO)

# It contains what the demo needs, so it makes both ready.
$(DEV): $(BIN)/python pyproject.toml constraints.txt
	@echo "Installing Runwright and its development tools into .venv (once, about a minute) ..."
	@$(PIP) -qq -e '.[dev,bench]' || { echo "$(AGAIN)"; $(PIP) -e '.[dev,bench]'; }
	@touch $(DEMO) $(DEV)

# An environment whose Python is gone, by an upgrade say, is made anew.
$(shell test -x $(BIN)/python || rm -rf .venv)

# Some systems split ensurepip off their Python; then its pip, where there is one, fills the environment.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Runwright needs Python 3.11 or newer with venv and pip (on Debian and Ubuntu: the" \
	  "packages python3 and python3-venv), and none was found. Name one with: make PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c '$(USABLE)' 2>/dev/null || { echo "$(PYTHON) does not run, is older than Python 3.11," \
	  "or has neither ensurepip nor pip."; exit 1; }
	@echo "Setting up .venv with $(PYTHON) ..."
	@if "$(PYTHON)" -c 'import ensurepip' 2>/dev/null; then "$(PYTHON)" -m venv .venv; \
	  else "$(PYTHON)" -m venv --without-pip .venv && \
	  "$(PYTHON)" -m pip --disable-pip-version-check --python $(BIN)/python install -qq pip; fi

# The first Python on PATH that runs and can make an environment, our oldest supported version first: a name on PATH
# alone proves nothing, it may be the stub of a version switcher.
USABLE := import sys; from importlib.util import find_spec as has; \
  sys.exit(not (sys.version_info >= (3, 11) and has("venv") and (has("ensurepip") or has("pip"))))
PYTHON ?= $(shell IFS=:; for name in python3.11 python3.12 python3.13 python3.14 python3; do for folder in $$PATH; do \
  "$$folder/$$name" -c '$(USABLE)' 2>/dev/null && echo "$$folder/$$name" && exit; done; done)
