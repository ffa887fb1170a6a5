# Two commands matter: `make demo` and `make test`. Each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test heavy bench lint types mutation golden calibration vectors workflow clean

demo: $(STAMP)
	$(BIN)/fx3loop demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 -m "not heavy"

heavy: $(VENV)/.heavy
	$(BIN)/python -m pytest -n 2 -m heavy

bench: $(STAMP)
	$(BIN)/python -m tests.bench

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

mutation: $(VENV)/.mutation
	$(BIN)/python -m tests.health.mutation

golden: $(STAMP)
	$(BIN)/python -m tests.golden.runs

calibration: $(STAMP)
	$(BIN)/fx3loop report calibration --out docs/calibration.md

vectors: $(STAMP)
	$(BIN)/python -m tests.vectors.generate

workflow: $(STAMP)
	$(BIN)/python -m tests.workflow_table

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --group test --group check --editable .
	touch $@

$(VENV)/.heavy: $(STAMP)
	$(BIN)/python -m pip install --quiet --group heavy
	touch $@

$(VENV)/.mutation: $(STAMP)
	$(BIN)/python -m pip install --quiet --group mutation
	touch $@

clean:
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis mutants
