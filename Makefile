# Everything here works on a machine that has only python3 (3.11 or newer, with venv) and make.

PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test lint types unit sweep coverage bench bench-http docs format clean

help:
	@echo "make run      start the example on http://127.0.0.1:$(PORT), behind examples/middlewares.toml"
	@echo "make test     lint, check types and run the whole test suite"
	@echo "make coverage run the tests and list the lines and branches that none reaches"
	@echo "make sweep    take the middlewares through thousands of compositions and values, for some minutes"
	@echo "make bench    measure every middleware beside its peers (make bench-http: over loopback, with wrk)"
	@echo "make docs     build the documentation into site/"
	@echo "make format   format the code and mend what ruff can mend"
	@echo "make clean    remove what the other commands made"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "middlewares needs Python 3.11 or newer; choose one with: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@# Dependency groups need pip 25.1. What is half made would pass for whole the next time.
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' || { rm -rf $(VENV); exit 1; }

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	@echo "Installing middlewares into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --editable '.[all]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	@echo "Installing middlewares and its development group into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-bench: benchmarks/requirements.txt $(VENV)/.installed-dev
	@echo "Installing the peers to measure against into $(VENV) …"
	@$(BIN)/python -m pip install --quiet --requirement benchmarks/requirements.txt
	@touch $@

run: $(VENV)/.installed
	@echo "The shop opens on http://127.0.0.1:$(PORT) — in a browser, or from another terminal:"
	@echo "  curl -i --compressed http://127.0.0.1:$(PORT)/products          # a list, compressed with gzip"
	@echo "  curl -N --compressed http://127.0.0.1:$(PORT)/events            # events, each as it happens"
	@echo "  curl -i -X OPTIONS -H 'Origin: http://localhost:3000' \\"
	@echo "       -H 'Access-Control-Request-Method: POST' http://127.0.0.1:$(PORT)/products   # a preflight"
	@echo "The middlewares come from examples/middlewares.toml: change it while it runs. Ctrl-C stops."
	@$(BIN)/middlewares run examples.shop.app:app --config examples/middlewares.toml --port $(PORT) --watch

test: lint types unit

lint: $(VENV)/.installed-dev
	@$(call timed,ruff,$(BIN)/ruff check . && $(BIN)/ruff format --check .)

types: $(VENV)/.installed-dev
	@$(call timed,mypy,$(BIN)/mypy)
	@$(call timed,pyright,$(BIN)/basedpyright --pythonpath $(BIN)/python)

unit: $(VENV)/.installed-dev
	@$(call timed,pytest,$(BIN)/python -m pytest)

coverage: $(VENV)/.installed-dev
	@$(BIN)/python -m pytest --cov --cov-report=term --ignore tests/benchmarks

sweep: $(VENV)/.installed-dev
	@$(call timed,sweep,$(BIN)/python -m pytest -m sweep tests)

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

bench-http: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks.http $(ARGS)

docs: $(VENV)/.installed-dev
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

format: $(VENV)/.installed-dev
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage .coverage.* htmlcov dist

# $(call timed,name,command): run the command and say how long it took.
define timed
start=$$(date +%s); { $(2); }; status=$$?; echo "$(1): $$(( $$(date +%s) - start )) s"; exit $$status
endef
