# Two commands do everything on a fresh Debian with git, make and Python >= 3.11:
#   make run [DIR=/path/to/mirror]     install into .venv and watch a folder; without DIR: a demonstration
#   make test                          every check and every test
# Two more measure, and take a while:
#   make accuracy [DIR=/photos]        how many copies are found and look-alikes taken: docs/accuracy.md
#   make bench [DIR=/photos]           what it costs, beside its peers and against its bars: docs/performance.md
# A fourth one breaks things, as root, and takes hours:
#   make torture [ARGS="FAMILY ... --quick"]   faults on the real program, each with its figure: docs/safety-figures.md
# `make check` is the only definition of the checks; CI and people call the same.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
BENCH := .venv-bench
BENCH_STAMP := $(BENCH)/.installed
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/twinwatch-accuracy

.PHONY: run test check lint types layers tests torture mutants model accuracy bench fresh lock clean

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
	$(BIN)/mypy tests demo benchmarks

layers: $(DEV_STAMP)
	$(BIN)/lint-imports

# One process for each core, up to four. Each takes a run of tests that are neighbours, so that what a file shares is made
# once, and then half of what another has left.
tests: $(DEV_STAMP)
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=worksteal --cov --cov-report=
	$(BIN)/coverage report --skip-covered --skip-empty
	$(BIN)/coverage report --include='$(CORE)' --fail-under=95 > /dev/null

# ARGS=--help tells the families; ARGS="--record" writes the figures into docs. What a machine lacks is left out, and said.
torture: $(DEV_STAMP)
	$(BIN)/python -m tests.torture $(ARGS)

# Small faults are put into the rooms that could hurt, one at a time: a test must fail. An hour; ARGS=--help tells more.
mutants: $(DEV_STAMP)
	$(BIN)/python -m tests.mutants $(ARGS)

# A million decisions on a household that exists only on paper (tests/model), each checked by every law.
model: $(DEV_STAMP)
	$(BIN)/python -m tests.model $(ARGS)

# WORK=DIR keeps the cases elsewhere; ARGS=--quick is a short run, ARGS=--help tells the rest. Encoders are used as found.
WORK ?= $(CACHE)
NODE_PACKAGES := sharp@0.35.5 jimp@1.6.1 @napi-rs/canvas@1.1.1 pica@10.0.3 @silvia-odwyer/photon-node@0.3.4

accuracy: $(BENCH_STAMP)
	mkdir -p '$(WORK)/node'
	if command -v npm >/dev/null; then npm install --silent --no-audit --no-fund --prefix '$(WORK)/node' $(NODE_PACKAGES); fi || \
		echo "Node's packages could not be installed, and are left out" >&2
ifdef DIR
	$(BENCH)/bin/python -m benchmarks.accuracy --work '$(WORK)' --photos-from '$(subst ','\'',$(value DIR))' $(ARGS)
else
	$(BENCH)/bin/python -m benchmarks.accuracy --work '$(WORK)' $(ARGS)
endif

# The same variables; BENCH_WORK=DIR keeps photos and indexes elsewhere. djpeg is in Debian's libjpeg-turbo-progs; a PostgreSQL
# (its server, not running) is compared with where it is installed.
BENCH_WORK ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/twinwatch-performance

bench: $(BENCH_STAMP)
	command -v djpeg >/dev/null || { echo "make bench compares with djpeg: install libjpeg-turbo-progs" >&2; exit 1; }
ifdef DIR
	$(BENCH)/bin/python -m benchmarks.performance --work '$(BENCH_WORK)' --photos-from '$(subst ','\'',$(value DIR))' $(ARGS)
else
	$(BENCH)/bin/python -m benchmarks.performance --work '$(BENCH_WORK)' $(ARGS)
endif

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

$(BENCH)/bin/python:
	sh packaging/make-venv.sh "$(PYTHON)" "$(BENCH)"

$(BENCH_STAMP): requirements/bench.lock pyproject.toml | $(BENCH)/bin/python
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.lock
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@

lock:
	uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 pyproject.toml --extra heif -o requirements/run.lock
	uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 pyproject.toml --extra heif --group dev --no-strip-extras -o requirements/dev.lock
	uv pip compile -q --universal --no-header --generate-hashes --python-version 3.11 pyproject.toml --extra heif --extra jxl --group bench -o requirements/bench.lock

clean:
	rm -rf $(VENV) $(BENCH) .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
