# Works with GNU Make 3.81: no .ONESHELL, no .SHELLFLAGS, no `!=`.

PYTHON ?= python3
VENV ?= .venv
# Pinned versions, for pip. LOCK= takes the newest that the bounds in pyproject.toml allow.
LOCK ?= requirements.lock
ARGS ?=
PYTEST_ARGS ?=

comma := ,
BIN := $(VENV)/bin
CREATED := $(VENV)/.created
RUNTIME := $(VENV)/.installed
TESTING := $(VENV)/.installed-test
PINS := $(if $(LOCK),--constraint $(LOCK))
# One process a core and one thread a process: several processes of several threads starve each other.
PYTEST = HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Those of the newest and the lowest versions, made anew each time.
NEWEST := .venv-newest
LOWEST := .venv-lowest
AUDIT := .venv-audit
# Packages for a GPU machine that has torch and no network.
WHEELS ?= wheels

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help quickstart test test-long lint format typecheck build clean same-python lock test-newest test-lowest audit gpu-wheels gpu-check

help: ## this list
	@echo "usage: make TARGET [PYTHON=python3.12] [VENV=.venv] [LOCK=] [FULL=1] [ARGS=...] [PYTEST_ARGS=...]"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

quickstart: $(RUNTIME) ## train the embedded model; ARGS="--seed_everything=1" goes to its command line
	$(BIN)/python -m visionthink_pl fit --config configs/quickstart.yaml $(ARGS)

test: lint typecheck ## lint, check types, run the tests but the long ones; PYTEST_ARGS="-k loss" goes to pytest
	$(PYTEST) -m 'not long' $(PYTEST_ARGS)

test-long: $(TESTING) ## the slow tests that `make test` leaves out: measured memory, benchmarks, cards, packaging; FULL=1 runs them at full length
	$(PYTEST) -m long $(PYTEST_ARGS)

lint: $(TESTING) ## check style and formatting, change nothing
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .

format: $(TESTING) ## fix what ruff can fix, then format
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

typecheck: $(TESTING) ## mypy on src/
	$(BIN)/python -m mypy

build: $(TESTING) ## sdist and wheel into dist/
	$(BIN)/python -m build --no-isolation

clean: ## remove built files and caches; .venv and runs/ stay
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache
	find . -path './.venv*' -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# The environment is made once; a newer pyproject.toml installs into it again.

$(CREATED):
	@$(PYTHON) -c pass >/dev/null 2>&1 || { \
	  echo "error: PYTHON=$(PYTHON) does not run here. Install Python 3.11 or newer, or name one that runs: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: PYTHON=$(PYTHON) is `$(PYTHON) -V 2>&1`; 3.11 or newer is needed. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1 || { \
	  echo "error: PYTHON=$(PYTHON) has no venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Creating $(VENV) with `$(PYTHON) -V`"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# A PYTHON on the command line that differs from what made the environment is not passed over.
same-python: $(CREATED)
ifeq ($(origin PYTHON),command line)
	@test "`$(PYTHON) -V 2>&1`" = "`$(BIN)/python -V`" || { \
	  echo "error: $(VENV) has `$(BIN)/python -V`, not PYTHON=$(PYTHON). Remove $(VENV), or add VENV=.venv-other" >&2; exit 1; }
endif

# Of what pip prints, the large downloads are shown. A pipe hides its exit status: the stamp tells.
# The build's own packages are pinned too, so it runs in this environment and not in one of its own.
define install
@echo "Installing $(1) into $(VENV): a few minutes, some GB of downloads the first time"
@rm -f $@
@{ $(PIP) install --progress-bar off $(PINS) hatchling editables && \
   $(PIP) install --progress-bar off $(PINS) --no-build-isolation --editable '$(1)' && touch $@; } \
  | grep --line-buffered -E 'Downloading .*([0-9]{2}\.[0-9]+ M|G)B|\(constraint\)' ; test -f $@ || { \
  echo "error: the installation failed; pip says above what is missing." >&2; \
  $(if $(LOCK),echo "A pinned version that is not there: make LOCK= $(MAKECMDGOALS) goes by the bounds of pyproject.toml alone" >&2;) exit 1; }
endef

$(RUNTIME): pyproject.toml $(LOCK) $(CREATED) | same-python
	$(call install,.[judge$(comma)prepare])

$(TESTING): pyproject.toml $(LOCK) $(CREATED) | same-python
	$(call install,.[test$(comma)lint])
	@touch $(RUNTIME)

# What the bounds mean, tried: docs/compatibility.md holds the results.

lock: $(CREATED) ## pin anew the versions that pyproject.toml allows, in requirements.lock
	$(PIP) install --quiet 'uv>=0.13,<0.14'
	$(BIN)/uv pip compile --quiet --upgrade --no-annotate --custom-compile-command 'make lock' \
	  pyproject.toml --output-file requirements.lock

test-newest: ## the tests in a fresh environment with the newest versions that the bounds allow
	rm -rf $(NEWEST)
	$(MAKE) VENV=$(NEWEST) LOCK= test test-long

# uv resolves the lowest versions, torch's included; pip installs them as always.
test-lowest: ## the same with the lowest
	rm -rf $(LOWEST)
	$(MAKE) VENV=$(LOWEST) $(LOWEST)/.created
	$(LOWEST)/bin/python -m pip install --quiet 'uv>=0.13,<0.14'
	$(LOWEST)/bin/uv pip compile --quiet --no-config --no-annotate --no-header --extra test --extra lint \
	  --resolution lowest-direct --python $(LOWEST)/bin/python pyproject.toml --output-file $(LOWEST)/lowest.txt
	$(MAKE) VENV=$(LOWEST) LOCK=$(LOWEST)/lowest.txt test test-long

# Without the database no package is audited, which --strict does not take for a pass.
audit: ## known weaknesses of the locked packages, looked up in a public database
	$(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet pip-audit
	$(AUDIT)/bin/pip-audit --strict --requirement requirements.lock --no-deps --disable-pip

# Installed where that machine's own Python finds them first: torch, lightning and the like are its own.
gpu-wheels: $(CREATED) ## wheels for Python 3.12 on Linux x86-64, to carry to a GPU machine without network
	$(PIP) download --quiet --no-deps --only-binary=:all: $(PINS) --dest $(WHEELS) --requirement tools/gpu_wheels.txt \
	  --python-version 3.12 --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
	  --platform manylinux_2_24_x86_64 --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64

gpu-check: ## what a GPU has to show, with the wheels where there are any; ARGS="--only memory"
	@if ls $(WHEELS)/*.whl >/dev/null 2>&1; then \
	  $(PYTHON) -m pip install --quiet --no-index --no-deps --no-compile --upgrade --target $(WHEELS)/site $(WHEELS)/*.whl && \
	  PYTHONPATH=$(WHEELS)/site $(PYTHON) tools/gpu_report.py $(ARGS); \
	else $(MAKE) $(TESTING) && $(BIN)/python tools/gpu_report.py $(ARGS); fi
