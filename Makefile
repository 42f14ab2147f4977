# Two commands need nothing else typed: `make demo` and `make test`. Both set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup setup-python setup-node demo test soak lint check bench contracts clean

setup: setup-python setup-node

setup-python: $(VENV)/.stamp
$(VENV)/.stamp: pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 (3.11 or later) is not on the path"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or later is needed; found $$($(PYTHON) --version)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[test,dev]'
	@touch $@

setup-node: contracts/node_modules/.stamp
contracts/node_modules/.stamp: contracts/package.json contracts/package-lock.json
	cd contracts && npm ci --silent --no-audit --no-fund
	@touch $@

demo: setup-python
	$(BIN)/tbill demo

test: setup
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"
	cd contracts && npm test --silent

soak: setup  # the long ones: campaigns of faults, and every page typed into a terminal
	$(BIN)/pytest -n auto --dist worksteal -m slow
	TBILL_FUZZ=all $(BIN)/pytest -n auto --dist worksteal tests/unit/cli/test_fuzz.py

lint: setup-python
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

contracts: setup-node
	cd contracts && node build.mjs

bench: setup-python
	$(BIN)/python -m bench

clean:
	rm -rf $(VENV) contracts/node_modules contracts/out contracts/cache
