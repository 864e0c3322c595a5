# Every target works on a fresh clone: it makes .venv, installs the pinned packages with pip, and runs.
# Needed beforehand: Python 3.11 or newer with pip, and make.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
CODE := src tests benchmarks docs examples

# Small matrices run slower on many threads, and two test workers must not fight over two cores.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help demo test lint pytest docs bench bench-smoke clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

demo: $(VENV)/.installed-demo ## audit a real ImageNet classifier on real photographs and open the page
	$(BIN)/shiftgauge demo --out shiftgauge-demo --open

test: lint pytest ## everything that must pass: style, types, import rules, tests

lint: $(VENV)/.installed-dev ## style, types and import rules
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/pyright
	$(BIN)/lint-imports

pytest: $(VENV)/.installed-dev ## tests and the examples in docstrings
	$(ONE_THREAD) $(BIN)/pytest -n $(WORKERS) --dist loadfile --doctest-modules src tests

docs: $(VENV)/.installed-docs ## build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the documentation is in site/index.html"

bench: $(VENV)/.installed-bench ## the benchmarks of benchmarks/README.md (long)
	set -e; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file; done

bench-smoke: $(VENV)/.installed-dev ## the same benchmarks at a tiny size: do they run?
	$(BIN)/python benchmarks/bench_audit.py --smoke
	$(BIN)/python benchmarks/bench_chaos.py --repeats 1
	$(BIN)/python benchmarks/bench_shifts.py --side 32 --images 4 --rounds 1
	$(BIN)/python benchmarks/bench_pick_freeze.py --smoke
	$(BIN)/python benchmarks/bench_sparse.py --smoke
	$(BIN)/python benchmarks/bench_diabetes.py --smoke
	$(BIN)/python benchmarks/bench_train.py --smoke
	$(BIN)/python benchmarks/bench_parseval.py --smoke
	$(BIN)/python benchmarks/bench_attack.py --smoke
	$(BIN)/python benchmarks/bench_explain.py --smoke
	$(BIN)/python benchmarks/bench_maximise.py --smoke
	$(BIN)/python benchmarks/bench_gradcam.py --smoke
	$(BIN)/python benchmarks/bench_pixel_bounds.py --smoke
	$(BIN)/python benchmarks/bench_engine.py --smoke
	$(BIN)/python benchmarks/coverage.py --smoke

clean: ## remove what the targets above made, the environment included
	rm -rf $(VENV) site build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# One stamp for each set of extras, so that a second call does not ask pip again.
$(VENV)/.installed-demo: EXTRAS := demo
$(VENV)/.installed-dev: EXTRAS := demo,onnx,train,explain,dev
$(VENV)/.installed-docs: EXTRAS := demo,docs
$(VENV)/.installed-bench: EXTRAS := demo,onnx,train,explain,dev,bench

$(VENV)/.installed-%: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer found; run: make PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $@
