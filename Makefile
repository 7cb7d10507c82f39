# The commands of this project. Everything they need lands in .venv; nothing else on the machine is touched.
# Paths are relative throughout, so that a checkout may be in a folder whose name has a space.
SHELL := /bin/sh
PYTHON ?= $(shell for p in python3.11 python3 python; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PY := .venv/bin/python
UV := .venv/bin/uv
LOCKS := requirements-uv.txt requirements.txt requirements-dev.txt gates/sandbox/requirements.txt
SERVED := $(PY) -m orchestrator.dev.embedded
export PYTHONUNBUFFERED := 1
# Workers and tests start many processes of Python. One that may not keep what it compiles compiles every module again,
# which takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE
# The certificates that the machine trusts, a company proxy's among them, not only those that the installer brings.
export UV_SYSTEM_CERTS := 1

# uv stops where it cannot write its cache: without a home, or with one that belongs to another account. Then the cache is in the checkout.
USE_WRITABLE_CACHE = cache="$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/uv}"; \
  { test -n "$$HOME" && mkdir -p "$$cache" 2>/dev/null && test -w "$$cache"; } || export UV_CACHE_DIR=.state/uv-cache

.DEFAULT_GOAL := help
.PHONY: ops s3 restore-drill help setup demo test test-slow test-browser test-chaos coverage mutation deploy-check lint format reference pictures docs up bench prompts rehearse image release chaos lock clean

help: ## this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

##@ Set up and run

setup: .venv/.ready ## a virtual environment in .venv with everything in it
	@:

.venv/.uv: requirements-uv.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=..."; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@"$(PYTHON)" -m venv --clear .venv || { echo "This Python has no venv module with pip (on Debian: apt install python3-venv)."; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.txt
	@touch $@

.venv/.ready: .venv/.uv $(LOCKS) pyproject.toml blocks/pyproject.toml gates/sandbox/build.py
	@echo "Installing what requirements.txt and requirements-dev.txt pin"
	@$(USE_WRITABLE_CACHE); \
	  $(UV) pip sync --quiet --python $(PY) --no-build --require-hashes requirements-uv.txt requirements.txt requirements-dev.txt && \
	  $(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable ./blocks --editable . && \
	  $(PY) -m gates.sandbox.build
	@touch $@

demo: setup ## a sample feature request becomes a verified block (SAMPLE=<name>)
	@$(PY) -m orchestrator.dev.demo

up: setup ## the whole stack in the foreground (PORT, FLOWER_PORT, EXPORTER_PORT, SIMULATOR=0, OPS=1)
	@exec $(PY) -m orchestrator.dev.stack

ops: setup ## Prometheus and Alertmanager unpacked without root, for the tests of the alerts
	@$(PY) -m orchestrator.dev.ops_tools

restore-drill: setup ## back up, restore to an instant on a new server, compare (DATABASE_URL, PG_PROGRAMS for one that runs)
	@$(PY) -m orchestrator.dev.restore_drill

s3: setup ## a real S3 with Object Lock, for the tests of the evidence store
	@$(USE_WRITABLE_CACHE); test -x .venv-s3/bin/python || $(UV) venv --quiet .venv-s3; \
	  $(UV) pip sync --quiet --no-build --require-hashes --python .venv-s3/bin/python requirements-s3.txt

clean: ## remove what setup and runs have made
	rm -rf .venv* .state .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf build dist site staticfiles test-results blocks/build bench/.cache bench/.venvs
	find . \( -name '*.egg-info' -o -name __pycache__ -o -name '*.py[cod]' \) -prune -exec rm -rf {} +

##@ Check a change

test: setup ## the test suite, on real PostgreSQL, Redis and Celery workers (ARGS=...)
	@$(SERVED) $(PY) -m pytest -n 3 --dist loadscope -m "not slow and not chaos and not browser" $(ARGS)

test-slow: setup ## the tests that take longer
	@$(SERVED) $(PY) -m pytest -n 2 --dist loadscope -m "slow" $(ARGS)

test-browser: setup ## the pages in a real Chromium
	@$(SERVED) $(PY) -m pytest -m "browser" $(ARGS)

test-chaos: setup ## each kind of fault once, on a stack of its own
	@$(SERVED) $(PY) -m pytest -m "chaos" $(ARGS)

coverage: setup ## the same with branch coverage; fails below the floors (ARGS=...)
	@$(PY) -m tests.coverage_floors erase
	@$(SERVED) $(PY) -m coverage run -m pytest -n 3 --dist loadscope -m "not slow and not chaos and not browser" $(ARGS)
	@$(PY) -m tests.coverage_floors report

lint: setup ## style, types, import contracts
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@.venv/bin/lint-imports
	@DATABASE_URL=postgres://nobody@localhost/none SECRET_KEY=lint $(PY) manage.py makemigrations --check --dry-run
	@DATABASE_URL=postgres://nobody@localhost/none SECRET_KEY=lint $(PY) -m mypy

deploy-check: setup ## every check of deploy/ by the tools of others; needs no cluster
	@$(PY) -m tests.deploy.check

format: setup ## fix what ruff can fix by itself
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

##@ Measure

bench: setup ## benchmarks into bench/results (BENCH=<name> for one; ARGS=--small for the tiny form)
	@$(PY) -m bench $(BENCH) $(ARGS)

prompts: setup ## prompts against real models, where every vendor has a key; else what would be sent is checked (ARGS="<name>" for some)
	@$(PY) -m bench.model_prompts $(ARGS)

rehearse: setup ## a rolling update behind a proxy under load, into bench/results/rolling_update.json
	@$(PY) -m bench rolling_update $(ARGS)

chaos: setup ## fault injection into bench/results/chaos.json (SOAK=1 for the long run)
	@$(PY) -m tests.chaos

mutation: setup ## mutants of the engine and the limiter into bench/results/mutation.json (MODULE=<path>, MUTATION_SECONDS=)
	@$(SERVED) $(PY) -m tests.mutation $(MODULE)

##@ Document and release

reference: setup ## the reference pages that are generated from the code
	@$(SERVED) $(PY) -m docs.generators

pictures: setup ## the pictures of the documentation, from the running product
	@$(PY) -m docs.pictures

docs: setup ## the documentation site into site/, offline; warnings are errors
	@$(PY) -m sphinx -q -W --keep-going -E -b html docs site
	@echo "site/index.html"

image: ## the image by buildah, on IMAGE_BASE or on a base of Debian's packages (CERTIFICATES= of a company proxy)
	@deploy/docker/build.sh

release: setup ## wheels, list of parts, manifests and image into dist/, signed; nothing is published
	@$(PY) -m orchestrator.dev.release

lock: setup ## pin requirements*.in again, with hashes
	@$(USE_WRITABLE_CACHE); for name in requirements-uv requirements requirements-dev gates/sandbox/requirements requirements-google-generativeai requirements-deploy requirements-checkov requirements-s3 requirements-terraform; do \
	  $(UV) pip compile --quiet --no-header --universal --no-strip-extras --generate-hashes --python-version 3.11 $(ARGS) $$name.in -o $$name.txt || exit 1; done
