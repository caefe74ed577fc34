# Four commands, each from a clean clone with only python3 (3.11 or newer) and make.
#   make up      start the product: SQLite, the offline sandbox, a demo account           (ARGS="--json --port 0")
#   make test    all tests, on SQLite, on a real PostgreSQL and in a real browser
#   make check   style, types, import walls
#   make bench   the benchmarks, against peers                                           (ARGS="--quick")

SHELL := /bin/bash
UV := $(shell command -v uv || echo .cache/uv/bin/uv)
RUN := .venv/bin
ARGS ?=

.PHONY: up test check bench simulate env browser

up: env
	@exec $(RUN)/ileen up $(ARGS)

test: env browser
	@$(RUN)/pytest -n 2 --dist worksteal $(ARGS)

check: env
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .
	@$(RUN)/basedpyright
	@$(RUN)/lint-imports

bench: env
	@$(RUN)/python bench/run.py $(ARGS)

# Thousands of simulated worlds of buyers, agents and faults: make simulate ARGS="--seeds 5000 --database postgresql"
simulate: env
	@PYTHONPATH=tests $(RUN)/python -m simulation $(ARGS)

# The environment follows uv.lock; everything it says goes to standard error, which leaves standard output to us.
# Compiled here once: a process that may not write bytecode would compile everything again at each of its starts.
env: $(UV)
	@$(UV) sync --frozen --quiet --compile-bytecode 1>&2
	@$(RUN)/python -m compileall -q src tests 1>&2

# A browser for the tests of pages: the one that is there, else the system's package, else Playwright's own.
browser: env
	@test -n "$(ILEEN_CHROMIUM)" || command -v chromium >/dev/null || command -v chromium-browser >/dev/null \
		|| { command -v apt-get >/dev/null && test "$$(id -u)" = 0 \
			&& apt-get update -qq 1>&2 && apt-get install -y -qq chromium 1>&2; } \
		|| $(RUN)/playwright install --with-deps chromium 1>&2

.cache/uv/bin/uv:
	@echo "Installing uv into .cache/uv (once)" 1>&2
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Ileen needs Python 3.11 or newer.")'
	@python3 -m venv .cache/uv 1>&2
	@.cache/uv/bin/python -m pip install --quiet uv 1>&2
