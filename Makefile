# Needs make and Python >= 3.11, nothing else. `make` lists the targets.
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
.DEFAULT_GOAL := help
.PHONY: help demo test oldest newest lint notebooks docs bench size dist lock clean

# Each candidate is run, not only looked up: a version manager's shim can be on PATH and refuse to start.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
    $$p -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)

help: ## list the targets
	@awk -F":.*## " "/^[a-z]+:.*## /{printf \"make %-10s %s\\n\", \$$1, \$$2}" $(MAKEFILE_LIST)

# The one step that needs a package index; it runs again only when the lock or the project file has changed. pip's own
# words go to a log, because without an index they are pages of retries around one fact.
$(STAMP): requirements.lock pyproject.toml
	$(if $(PYTHON),,$(error autoten needs Python 3.11 or newer with its venv module, and none is on PATH: install one or name it with `make PYTHON=...`))
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing the pinned packages into $(VENV), a minute or two ..."
	@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --require-hashes -r requirements.lock && \
	   $(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	 } >$(VENV)/install.log 2>&1 || { \
	   echo "The packages pinned in requirements.lock could not be installed: check that pip can reach a package index and" \
	        "run make again (its last error, from $(VENV)/install.log, is: $$(grep '^ERROR' $(VENV)/install.log | tail -n 1 | cut -c 1-200))." >&2; \
	   exit 1; }
	@touch $@

demo: $(STAMP) ## estimate the rank of a real tensor; the first run installs everything
	@$(BIN)/python examples/demo.py

test: $(STAMP) ## the whole test suite, by two workers; ARGS="-n 0 -k sparse" is passed to pytest
	$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

oldest: ## the suite with the oldest packages that pyproject.toml allows; ARGS as for `make test`
newest: ## the same with the newest, pre-releases too
oldest newest:
	.ci/versions $@ $(ARGS)

notebooks: $(STAMP) ## run every notebook in examples/ from clean
	$(BIN)/python -m pytest tests/test_examples.py $(ARGS)

docs: $(STAMP) ## the documentation, as pages in docs/_build/html; a warning is an error
	rm -rf docs/reference/generated # pages of names that are gone
	$(BIN)/python -m sphinx -W --keep-going -q -c docs -d docs/_build/doctrees . docs/_build/html $(ARGS)
	rm -f docs/_build/html/_static/*/*.map # 2 MB for developers of the theme
	$(BIN)/python docs/check_site.py docs/_build/html

bench: $(STAMP) ## run every benchmark script (long), then write the tables of all pages
	set -e; for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done
	$(BIN)/python benchmarks/tables.py

size: $(STAMP) ## lines, files, longest function, widest signature, circles of imports
	@$(BIN)/python benchmarks/size.py

dist: $(STAMP) ## build wheel and sdist into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation

# Universal: one list with markers, for every platform and Python from 3.11 up. uv keeps the present pins where they still
# fit; ARGS=--upgrade moves all. It writes no address (header, comments and index lines are off).
lock: ## write requirements.lock anew from pyproject.toml
	set -e; d=$$(mktemp -d); trap 'rm -rf "$$d"' EXIT; $(PYTHON) -m venv $$d; $$d/bin/python -m pip install -q uv; \
	$$d/bin/uv pip compile pyproject.toml --all-extras --universal --fork-strategy fewest --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet $(ARGS) -o requirements.lock

clean: ## remove builds and caches, keep the environment
	rm -rf dist build docs/_build docs/reference/generated .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
