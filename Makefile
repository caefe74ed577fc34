# Four commands, each from a clean clone with only python3 (3.11 or newer) and make.
#   make up      start the product: SQLite, the offline model provider, a demo account   (ARGS="--json --port 0")
#   make test    all tests, on SQLite and on a real PostgreSQL
#   make check   style, types, import walls
#   make bench   the benchmarks, against peers                                           (ARGS="--quick")

SHELL := /bin/bash
UV := $(shell command -v uv || echo .cache/uv/bin/uv)
RUN := .venv/bin
ARGS ?=

.PHONY: up test check bench env

up: env
	@exec $(RUN)/ileen up $(ARGS)

test: env
	@$(RUN)/pytest -n 2 $(ARGS)

check: env
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/basedpyright
	@$(RUN)/lint-imports

bench: env
	@$(RUN)/python bench/run.py $(ARGS)

# The environment follows uv.lock; everything it says goes to standard error, which leaves standard output to us.
env: $(UV)
	@$(UV) sync --frozen --quiet 1>&2

.cache/uv/bin/uv:
	@echo "Installing uv into .cache/uv (once)" 1>&2
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ileen needs Python 3.11 or newer.")'
	@python3 -m venv .cache/uv 1>&2
	@.cache/uv/bin/python -m pip install --quiet uv 1>&2
