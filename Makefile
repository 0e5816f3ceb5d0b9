# Needs Python 3.11 or newer with venv, and git; everything else is installed into .venv.
# PYTHON names the interpreter that makes .venv; VENV names another folder for it.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run servers quick fresh test test-slow test-all fuzz torture soak models faults-table lint format \
  docs screenshots bench bench-smoke clean stack-env stack-up stack-check stack-down

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV)/demo.stamp ## a real application, its load, the shipper and what arrives, live
	$(BIN)/shipper demo

QUICK := agent alerts audit check config deliver emit enrich net process registry reports tail view

quick: $(VENV)/dev.stamp ## unit tests, half a minute: no servers, no whole programs
	$(BIN)/pytest -q -n auto -m "not slow and not server" $(QUICK:%=tests/%) tests/test_text.py

test: $(VENV)/dev.stamp ## the default suite, some minutes
	$(BIN)/pytest -n auto --dist loadgroup -m "not slow"

test-slow: $(VENV)/dev.stamp ## the suites that take longer
	$(BIN)/pytest -n auto --dist loadgroup -m slow --timeout 600

test-all: test test-slow ## every suite

SCHEDULES ?= 5000

FRESH_SEED := $(or $(SEED),$(shell od -An -N4 -tu4 /dev/urandom | tr -d ' '))

FRESH ?= $(shell grep -rl --include="test_*.py" "hypothesis" tests)

fresh: $(VENV)/dev.stamp ## the tests that draw fixed examples draw others; SEED=N repeats a run
	@echo "repeat with: make fresh SEED=$(FRESH_SEED)"
	SHIPPER_TEST_FRESH=1 $(BIN)/pytest -n auto -m "not server" --hypothesis-seed=$(FRESH_SEED) $(FRESH)

torture: SECONDS ?= 240
torture: $(VENV)/dev.stamp ## everything at once for SECONDS=240: fast rotation, kills, bad outputs; SEED=N
	$(BIN)/pytest -s tests/faults/test_torture.py --torture $(SECONDS) $(if $(SEED),--seed $(SEED))

soak: SECONDS ?= 1800
soak: $(VENV)/dev.stamp ## memory, descriptors, CPU and tables stay flat for SECONDS=1800
	$(BIN)/python -m bench.soak $(SECONDS)

models: $(VENV)/dev.stamp ## SCHEDULES=5000 random schedules of files, crashes and outputs
	$(BIN)/pytest -n auto tests/models/test_delivery_model.py tests/models/test_disturbed_model.py --schedules $(SCHEDULES)

faults-table: $(VENV)/dev.stamp ## docs/faults.md, out of a run of the tests
	$(BIN)/pytest -n auto --dist loadgroup tests/faults --timeout 1800 --faults-table docs/faults.md

servers: $(VENV)/dev.stamp ## a real Elasticsearch and a Lumberjack receiver on this machine, to ship to
	$(BIN)/python -m tests.servers

lint: $(VENV)/dev.stamp ## ruff, the format, mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(VENV)/dev.stamp ## let ruff mend what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(VENV)/dev.stamp ## write the references in docs/ from the code
	$(BIN)/python -c 'from pathlib import Path; from tools.reference import PAGES; \
	  texts = {page: text() for page, text in PAGES.items()}; \
	  [Path(page).write_text(text) for page, text in texts.items()]'

screenshots: $(VENV)/dev.stamp ## docs/dashboard/*.png of a running demo: LINK='http://…/?token=…'
	$(BIN)/python -m tools.screenshots '$(LINK)'

fuzz: SECONDS ?= 600
fuzz: $(VENV)/dev.stamp ## hostile bytes through reader and enricher, for SECONDS
	$(BIN)/python -m tests.fuzz $(SECONDS)

LINES ?= 1000000

bench: $(VENV)/dev.stamp ## CPU seconds per million lines, lines/s, memory; beside other shippers
	$(BIN)/python -m bench.pipeline $(LINES)
	$(BIN)/python -m bench.store $(LINES)
	$(BIN)/python -m bench.web $(LINES)
	$(BIN)/python -m bench.store_elasticsearch
	$(BIN)/python -m bench.alerts $(LINES)
	$(BIN)/python -m bench.alerts_thin
	$(BIN)/python -m bench.reports $(LINES)
	$(BIN)/python -m bench.logstash $(LINES)
	$(BIN)/python -m bench.elasticsearch $(LINES)
	$(BIN)/python -m bench.files
	$(BIN)/python -m bench.audit $(LINES)
	$(BIN)/python -m bench.overhead $(LINES)
	$(BIN)/python -m bench.latency
	$(BIN)/python -m bench.emit
	$(BIN)/python -m bench.instrument
	$(BIN)/python -m bench.peers $(LINES)

STACK ?= secure
COMPOSE := docker compose -f docker-compose-monitoring.yml \
  $(if $(filter insecure,$(STACK)),-f docker-compose-insecure.yml)

stack-env: ## .env with random passwords for the stack of docker-compose-monitoring.yml, once
	@bash stack/env.sh .env.example .env

stack-up: ## Elasticsearch, Logstash, Kibana; STACK=insecure: without passwords and TLS
	$(COMPOSE) up --detach --wait
	$(COMPOSE) run --rm dashboards

stack-check: ## ask each part of the stack how it is
	@bash stack/check.sh $(COMPOSE)

stack-down: ## stop the stack; the data stay in its volumes
	$(COMPOSE) down

clean: ## remove what was made here, but for logs/ and var/
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) …"
	@$(PIP) --editable '.[demo]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	@echo "installing into $(VENV) …"
	@$(PIP) --editable '.[dev]'
	@touch $@ $(VENV)/demo.stamp

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is missing or older than 3.11; use make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a venv; apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
