# The repository's own commands. `make demo` and `make test` are the whole set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
INSTALLED := $(VENV)/.installed
PEERS := $(VENV)/bench
ROWS = $(sort $(wildcard $(DATA)/*.dev.jsonl.gz) $(wildcard $(DATA)/*.diagnostic.jsonl.gz))

.DEFAULT_GOAL := help
.PHONY: help demo test check bench eval detection backends lock clean

help: ## list these commands
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(INSTALLED): pyproject.toml requirements.lock
	@echo "installing into $(VENV) (about a minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(INSTALLED) ## run agents that behave and agents that do not, and print their verdicts
	@$(BIN)/spanwarden demo

test: $(INSTALLED) ## run every test (tests against real backends after `make backends`)
	@$(if $(filter true,$(CI)),$(MAKE) backends,:)
	@$(BIN)/python -m pytest

check: $(INSTALLED) ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

$(PEERS)/.installed: $(INSTALLED) requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --upgrade --target $(PEERS) -r requirements-bench.lock
	@touch $@

bench: $(PEERS)/.installed ## measure, beside baselines, in one run
	@PYTHONPATH=$(PEERS) $(BIN)/python -m tests.bench $(BENCHFLAGS)

eval: $(INSTALLED) ## measure the detectors on the development rows in DATA (default ../shared/data)
	@$(if $(ROWS),,$(error no *.dev.jsonl.gz in $(DATA): say where the labelled runs are, as in make eval DATA=FOLDER))
	@$(BIN)/spanwarden eval $(EVALFLAGS) $(ROWS)

detection: $(INSTALLED) ## measure as `make eval` does, and write the figures and examples into docs/detection.md
	@PYTHONPATH=tests $(BIN)/python -m detection_page $(DATA)

backends: ## build a real Jaeger and Collector (needs Go) into a cache outside the repository
	@sh tests/backends/build.sh

lock: ## renew requirements.lock and requirements-bench.lock (needs uv)
	@uv pip compile pyproject.toml --universal --python-version 3.11 --extra processor --extra instruments --group dev --generate-hashes --no-header --quiet --output-file requirements.lock
	@uv pip compile --group pyproject.toml:bench --no-deps --universal --python-version 3.11 --generate-hashes --no-header --quiet --output-file requirements-bench.lock

clean:
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache
