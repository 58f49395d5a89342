# What a newcomer needs: `make demo`, then `make test`. Both make the environment they need, in .venv.

PYTHON ?= $(shell python3.11 -c 'import sys; print(sys.executable)' 2>/dev/null || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
TYPED := $(wildcard $(patsubst %,pgx/%.py,types axes errors paths streams returns schedules nets lift stats/*))

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench

help:
	@echo "make demo    install into .venv, train a small study (4 arms, 10 seeds each) and report on it"
	@echo "make test    install with the development tools and run the tests"
	@echo "make lint    ruff, and mypy on the layers 0 and 1"
	@echo "make bench   this machine's figures beside its peers"

demo: $(VENV)/.installed
	@$(BIN)/pgx sweep study=demo
	@$(BIN)/pgx report demo

test: $(VENV)/.installed-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2

lint: $(VENV)/.installed-dev
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary $(TYPED)

bench: $(VENV)/.installed-dev
	@$(BIN)/pgx bench

$(BIN)/python:
	@echo "making $(VENV) with $(PYTHON)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing pgx into $(VENV): a few minutes the first time"
	@$(INSTALL) hatchling setuptools  # no isolation: they build pgx, and what comes as source
	@$(INSTALL) --no-build-isolation -e '.[report]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing pgx and its development tools into $(VENV): a few minutes the first time"
	@$(INSTALL) hatchling setuptools  # no isolation: they build pgx, and what comes as source
	@$(INSTALL) --no-build-isolation -e '.[dev]'
	@touch $@ $(VENV)/.installed
