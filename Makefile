# Two commands do everything on a fresh Debian with git, make and Python >= 3.11:
#   make run [DIR=/path/to/mirror]     install into .venv and watch a folder; without DIR: a demonstration
#   make test                          every check and every test
# `make check` is the only definition of the checks; CI and people call the same.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: run test check lint types layers tests fresh lock clean

run: $(STAMP)
ifdef DIR
	$(BIN)/twinwatch run '$(subst ','\'',$(value DIR))'
else
	$(BIN)/python demo/demo.py
endif

test: check

check: lint types layers tests

lint: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV_STAMP)
	$(BIN)/mypy -p twinwatch
	$(BIN)/mypy tests demo

layers: $(DEV_STAMP)
	$(BIN)/lint-imports

tests: $(DEV_STAMP)
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --skip-covered --skip-empty
	$(BIN)/coverage report --include='$(CORE)' --fail-under=95 > /dev/null

CORE := */photo.py,*/matching.py,*/verdict.py,*/settle.py,*/brake.py,*/reconcile.py,*/naming/*

$(VENV)/bin/python:
	sh packaging/make-venv.sh "$(PYTHON)" "$(VENV)"

$(STAMP): requirements/run.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

$(DEV_STAMP): requirements/dev.lock pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@ $(STAMP)

lock:
	uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 pyproject.toml --extra heif -o requirements/run.lock
	uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 pyproject.toml --extra heif --group dev -o requirements/dev.lock

clean:
	rm -rf $(VENV) .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
