# The documented commands. VENV=folder and PYTHON=interpreter may be given.
VENV ?= .venv
PYTHON ?= python3
BIN := $(abspath $(VENV))/bin

.PHONY: first test setup lint format clean

first: $(VENV)/.installed  ## install, train a small GAN on pixel-art faces, draw samples
	PATH="$(BIN):$$PATH" sh examples/first_gan.sh

test: $(VENV)/.installed-dev  ## install with the developers' tools and run the tests, in up to four processes
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

setup: $(VENV)/.installed-dev  ## install with the developers' tools, and the commit hooks
	$(BIN)/pre-commit install

lint: $(VENV)/.installed-dev  ## style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## fix style and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## remove the environment and the caches, not the runs
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find gentool tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.installed-dev: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -e '.[dev]'
	touch $@
