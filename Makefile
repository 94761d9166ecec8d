# Everything a newcomer needs; `make help` lists the targets.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
JOBS ?= auto
PYTEST ?=
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup run test check format conformance bench faults docs screenshots requirements clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(VENV)/.run: requirements.txt
	@test -x $(PY) || python3 -m venv $(VENV)
	@echo 'installing the requirements into $(VENV): about a minute, once'
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.test: requirements-test.txt $(VENV)/.run
	@echo 'installing the test requirements: half a minute, once'
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@

setup: $(VENV)/.run ## virtual environment and requirements only

run: $(VENV)/.run ## start everything on an embedded PostgreSQL and stay in the foreground
	@exec $(PY) manage.py up

test: $(VENV)/.test ## the whole test suite on a throw-away embedded PostgreSQL
	$(PY) -m pytest -m "not benchmark" -n $(JOBS) --dist loadfile $(PYTEST)

faults: $(VENV)/.test ## the fault tests and the thousand orders at full size, with the latency of an order (about ten minutes)
	CELESTA_TEST_FULL=1 $(PY) -m pytest -p no:xdist -s --timeout=900 tests/acceptance/test_orders.py tests/faults $(PYTEST)

check: $(VENV)/.test ## format, lint, types, import contracts
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy orchestrator_site executor executions flows
	$(VENV)/bin/lint-imports
	$(PY) manage.py check
	$(PY) manage.py write_docs --check

docs: $(VENV)/.run ## write the documents that are made from the code (compatibility with Kestra, state machine)
	$(PY) manage.py write_docs

conformance: $(VENV)/.test ## the outside judge (CONFORMANCE=folder, CONFORMANCE_RESULTS=folder, VERBOSE=1) on a server of its own
	$(PY) tests/conformance.py

bench: $(VENV)/.test ## measure speed (BENCH="--quick", BENCH="--help"); the figures of docs/benchmarks.md come from here
	$(PY) -m tests.benchmarks $(BENCH)

screenshots: $(VENV)/.test ## every page as a picture, at two widths and in both themes (ONLY=name)
	$(PY) -m tests.screenshots $(if $(ONLY),--only $(ONLY))

format: $(VENV)/.test ## format and mend what can be mended
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

requirements: $(VENV)/.test ## compile the pinned requirements from the short input files
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate \
		requirements.in -o requirements.txt
	$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-annotate \
		-c requirements.txt requirements-test.in -o requirements-test.txt

clean: ## remove what was built; keeps the data in .celesta
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
