# make book   builds the site and says where to open it
# make test   runs what tells most in a few minutes; make test-all the rest too
# Another Python: make book PYTHON=python3.13 (any from 3.10 on; remove .venv first to change it)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

# Without it every start of Python recompiles where PYTHONDONTWRITEBYTECODE is set.
export UV_COMPILE_BYTECODE := 1

.PHONY: help env book notebooks test test-all mutants lab execute bench speedrun lint lock clean

help: ## say what there is to make (what plain `make` does)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s  %s\n", $$1, $$2 }' Makefile

env: $(READY) ## the environment in .venv, from requirements.lock

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -c 'import sys; sys.exit("The book needs Python 3.10 or later, and $(PYTHON) is " + sys.version.split()[0] + ": name another, as in make PYTHON=python3.12" if sys.version_info < (3, 10) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -e .
	touch $(READY)

book: $(READY) ## the site, in _build/html; every warning is an error
	$(BIN)/python book/tools/build.py --if-stale

PYTEST := TGAN_BUDGET=smoke $(BIN)/python -m pytest -n 2 --durations=15 --durations-min=1

test: book ## the tests and every notebook at the smallest budget, on the built site: minutes
	$(PYTEST) -m "not slow"

test-all: book ## the slow tests too: all kills, every page in every form, what the network is asked
	$(PYTEST)

mutants: $(READY) ## every solution with one thing changed: what the checks of the exercises let pass
	$(BIN)/python tests/mutants.py

notebooks: $(READY) ## every chapter in plain Markdown, in notebooks/, for Colab, Kaggle, JupyterLab and VS Code
	$(BIN)/python book/tools/plain.py

lab: $(READY) ## JupyterLab with the plain notebooks
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks

execute: $(READY) ## run notebooks and store their outputs: make execute NOTEBOOK=book/loss/03_image_gans.ipynb
	$(BIN)/python book/tools/execute.py $(NOTEBOOK)
	$(BIN)/python book/tools/plain.py

bench: $(READY) ## measure the library's speed on this machine
	$(BIN)/python -m tgan_lib.bench --out book/results/bench.json

speedrun: $(READY) ## seconds to a fixed distance, ours against the classic recipe: an hour; goes on where it stopped
	$(BIN)/python -m tgan_lib.bench speedrun --out book/results/speedrun.json

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

lock: $(READY) ## write requirements.lock anew from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.10 --no-annotate --quiet -o requirements.lock

clean: ## remove the site, the environment and what tools left behind
	rm -rf _build $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
