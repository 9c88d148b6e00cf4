# make test      set up .venv, lint, type-check, tests without the slow ones
# make test-all  the slow ones too; says at its end what was skipped, and why
# make proofs    theorems about the circuit, by Coq, and obligations, by z3; SKIPPED where one is absent (proofs/README.md)
# make proofs-all  and an honest trace through the Coq interpreter, each constraint left out in turn, each range weakened
# make demo      a whole standstill between four labs on published data, on this machine
# make pyz       the verifier as one file, build/standstill-verify.pyz: the same bytes from the same commit
# make docs      all pages as a site, build/docs/docs/index.html
# make bench     benchmarks
# make bench-check  fails when a phase of the prover got slower than recorded

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.standstill-dev

.PHONY: setup lint types test test-all proofs proofs-all demo pyz docs bench bench-check clean

setup: $(STAMP)

$(STAMP): pyproject.toml Makefile
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,bench]'
	touch $@

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

test: lint types
	$(BIN)/python -m pytest -m "not slow" tests/test_layers.py tests/cli/test_loading.py tests

test-all: lint types
	$(BIN)/python -m pytest -rs

proofs: $(STAMP)
	$(BIN)/python proofs/check.py
	$(BIN)/python -m proofs.solver

proofs-all: $(STAMP)
	$(BIN)/python proofs/check.py --traces
	$(BIN)/python -m proofs.solver --all

demo: $(STAMP)
	$(BIN)/standstill demo

pyz: $(STAMP)
	$(BIN)/python .ci/pyz.py

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	$(BIN)/sphinx-build -q -W --keep-going -c docs . build/docs

bench: $(STAMP)
	$(BIN)/python -m bench

bench-check: $(STAMP)
	$(BIN)/python -m bench check

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
