# Five things one does here. `make lab` and `make test` need nothing installed but Python 3.11+, make, and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export FMNB_MODELS ?= $(CURDIR)/.models
LAB_ARGS ?=

lab: $(VENV)/.lab .models/.embedded  ## open JupyterLab on the first tutorial
	$(BIN)/jupyter lab $(LAB_ARGS) notebooks/01_first_cell.ipynb

test: $(VENV)/.test .models/.embedded  ## the suite, with reduced counts
	$(BIN)/python tests/chromium.py
	$(BIN)/python -m pytest

test-full: $(VENV)/.test .models/.embedded  ## the suite, with full counts
	$(BIN)/python tests/chromium.py
	FMNB_FULL=1 $(BIN)/python -m pytest

lint: $(VENV)/.test  ## formatter, linter, types, import contract
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy fmnb && $(BIN)/lint-imports

bench: $(VENV)/.bench .models/.embedded  ## ratios against peers, written to bench/RESULTS.md
	$(BIN)/python bench/run.py

docs: $(VENV)/.test  ## pages made from the code: options, verbs, providers
	$(BIN)/python docs/make.py

shots: $(VENV)/.test .models/.embedded  ## screenshots of every view, light and dark
	$(BIN)/python tests/chromium.py && $(BIN)/python -m pytest tests/browser -k shots

clean:  ## everything made here but the models
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .work

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --upgrade pip

$(VENV)/.lab: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e ".[lab,local,frames,attach,tutorials]" && touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/pip
	$(BIN)/pip install -q -e ".[all,tutorials]" --group test && touch $@ $(VENV)/.lab

$(VENV)/.bench: $(VENV)/.test
	$(BIN)/pip install -q --group bench && touch $@

.models/.embedded: | $(VENV)/bin/pip
	@test -f $(VENV)/.lab || $(MAKE) $(VENV)/.lab
	$(BIN)/python -m fmnb pull embedded && touch $@

.PHONY: lab test test-full lint bench docs shots clean
