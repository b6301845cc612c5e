# Every step here is an ordinary pip, pytest or realtime-ser command; make only remembers them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt

.PHONY: demo monitor test check lint types wheel sample bench train clean torture matrix audit
.DEFAULT_GOAL := help

help:            ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "realtime-ser needs Python 3.10 or later; set PYTHON=")'
	@# Debian's Python makes half an environment without python3-venv, and every later call would take it for a whole one.
	$(PYTHON) -m venv $(VENV) || { test ! -f $(VENV)/pyvenv.cfg || rm -rf $(VENV); \
		echo "no virtual environment; on Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }

$(VENV)/live: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(PIP) --editable .
	@touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml .ci/constraints.txt
	$(PIP) --editable '.[train,bench,serve,ray,dev]'
	@touch $@ $(VENV)/live

demo: $(VENV)/live            ## replay the shipped sample with the dashboard
	$(BIN)/realtime-ser demo

monitor: $(VENV)/live         ## listen to the default microphone
	$(BIN)/realtime-ser monitor

test: $(VENV)/dev             ## the whole test suite, in three processes
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/dev             ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev            ## mypy, strict on realtime_ser
	$(BIN)/mypy

check: lint types test        ## lint, types, import layering and tests: what CI runs

torture: $(VENV)/dev          ## faults, kills, fuzzing and long runs in their long form: an hour or more
	$(BIN)/python -m pytest tests/torture --torture

matrix:          ## the quick tests under every Python from 3.10 to 3.13 found here
	.ci/matrix

audit: $(BIN)/python          ## the pinned versions against known advisories
	.ci/audit $(BIN)/python

bench: $(VENV)/dev            ## speed on this machine, beside the usual way
	$(BIN)/realtime-ser bench --against-librosa --live 20

train: $(VENV)/dev            ## train, score and export the three models on the corpora found: a day
	$(BIN)/python -m train prepare
	$(BIN)/python -m train audit
	$(BIN)/python -m train evaluate --system mlp
	$(BIN)/python -m train evaluate --system mlp --protocol cross
	$(BIN)/python -m train export --system mlp
	for system in large cnn; do \
		$(BIN)/python -m train evaluate --system $$system --protocol cross && \
		$(BIN)/python -m train evaluate --system $$system --protocol cross --vote && \
		$(BIN)/python -m train evaluate --system $$system && \
		$(BIN)/python -m train evaluate --system $$system --vote && \
		$(BIN)/python -m train export --system $$system || exit 1; \
	done
	for model in mlp cnn large; do $(BIN)/python -m train evaluate --bundle $$model --bars || exit 1; done
	$(BIN)/python -m train card --bundle mlp cnn large
	$(BIN)/python -m train pictures

wheel: $(VENV)/dev            ## build the wheel into dist/
	$(BIN)/python -m build --wheel

sample: $(VENV)/live          ## make the shipped sample again (needs espeak-ng)
	$(BIN)/python realtime_ser/sample/make_sample.py

clean:           ## remove what make made
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
