# `make demo` and `make test` are all a newcomer needs; both install what they use into .venv first.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
SEEDS ?= 50
ARGS ?=
unexport PYTHONDONTWRITEBYTECODE # tests start hundreds of processes: to compile the modules for each is a third of the time

.PHONY: help setup demo test test-clients test-focus check format bench bench-peers sim chaos faults lock lock-clients lock-focus clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 22

setup: ## install into .venv, once per lock
	@tools/setup

demo: setup ## fill a ledger from real traces, keep traffic flowing, print the two addresses
	@$(BIN)/bursar demo $(ARGS)

test: setup ## lint, types, layers and every test (CI runs it, and test-clients)
	@tools/test-needs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not clients"

test-clients: setup ## real clients against the simulator: SDKs, LangChain, LiteLLM, Claude Code, Codex (installed once)
	@command -v npm >/dev/null || tools/apt-install npm
	$(BIN)/python -m pytest -n 2 -m clients tests/clients $(ARGS)

test-focus: setup ## FOCUS exports through the FinOps Foundation's validator (Python 3.12: FOCUS_PYTHON=…; installed once)
	$(BIN)/python -m pytest -m clients tests/focus $(ARGS)

check: setup ## before each commit: format, lint, types, and the tests that need no browser and no load
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -x -m "not slow and not clients" $(ARGS)

bench: setup ## the figures, side by side with nginx in the same run
	@tools/test-needs
	@for part in gateway ledger explore control decide route caching semantic forecast scenarios focus watch nab; do $(BIN)/bursar bench $$part $(ARGS) || failed=1; done; exit $${failed:-0}

bench-peers: setup ## the same beside LiteLLM, Portkey and TensorZero, each in an environment of its own
	@tools/test-needs
	@$(BIN)/bursar bench gateway --peers $(ARGS)

sim: setup ## SEEDS worlds of budgets and faults on a jumping clock, then the whole system against a faulty provider
	BURSAR_SIM_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q tests/budgets/test_world.py $(ARGS)
	BURSAR_CHAOS_INSTANTS=$${BURSAR_CHAOS_INSTANTS:-50} $(BIN)/python -m pytest -q tests/system $(ARGS)

chaos: setup ## kill -9 of workers, console and all, at 50 seeded instants under load
	BURSAR_CHAOS_INSTANTS=$${BURSAR_CHAOS_INSTANTS:-50} $(BIN)/python -m pytest -q tests/system/test_kill9.py $(ARGS)

faults: setup ## three upstreams under load, down, slow, half-broken, rate-limited: 3,000 calls a case, every one answered
	BURSAR_FAULT_CALLS=$${BURSAR_FAULT_CALLS:-3000} $(BIN)/python -m pytest -q tests/system/test_routes.py $(ARGS)

lock: ## write requirements.lock anew (needs uv on PATH)
	uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o requirements.lock

lock-clients: ## write tests/clients/requirements.lock anew (needs uv on PATH)
	uv pip compile tests/clients/requirements.in --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o tests/clients/requirements.lock

lock-focus: ## write tests/focus/requirements.lock anew (needs uv on PATH)
	uv pip compile tests/focus/requirements.in --universal --python-version 3.12 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet -o tests/focus/requirements.lock

clean: ## remove what can be made again
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
