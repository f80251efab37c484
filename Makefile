# What can be done here, with nothing on the machine but Python 3.11 or newer, make, Rust's cargo 1.88 or newer, a C
# compiler and the package registries. On first use Python packages are fetched into .venv and the embedded database is
# compiled; it is kept in the user's cache.

.DEFAULT_GOAL := help
.PHONY: help demo examples test proof proof-mysql contract faults histories battery clients lint types licences bench-router bench-observers bench-backfill bench-verify bench-cdc bench-hot-key bench-cold-start constraints ready clean
BIN := .venv/bin

help:
	@echo 'make demo            migrate a table under live traffic, there and back     [ITEMS=50000] [SEED=1]'
	@echo 'make examples        six whole migrations to read, played and judged        [ITEMS=2000]'
	@echo 'make test            lint, types, import contract and every test             [PYTEST="-k name" EVERY=1]'
	@echo 'make proof           the demo'"'"'s proof that nothing was lost, over seeds       [RUNS=20] [DROP=rule]'
	@echo 'make proof-mysql     from MySQL, with kill -9 at random, over seeds          [RUNS=10] [SEED=n] [DROP=rule]'
	@echo 'make contract        every answer in every stage beside a plain table'"'"'s       [CASES=text STRATEGY= STAGE= MAPPING= VIEW= CLIENT=]'
	@echo 'make faults          every request fails in every way; of freeze, every step [CASES=text STRATEGY= STAGE= MAPPING= VIEW= CLIENT= DROP=rule SINGLY=1 PAIRS=150 SEED=n]'
	@echo 'make histories       recorded histories of real processes, judged by item    [RUNS=3] [STRATEGY=] [SEED=n] [DROP=rule]'
	@echo 'make battery         all faults of the service at once, every kind of client [SEEDS=3] [STRATEGY=] [CLIENT=] [SEED=n] [DROP=name]'
	@echo 'make clients         PynamoDB'"'"'s own tests on top of us, in every stage'
	@echo 'make bench-router    what attaching costs, beside a plain boto3 client       [BENCH="--rounds 5"]'
	@echo 'make bench-observers what watching each call costs, beside not watching it     [BENCH="--rounds 10"]'
	@echo 'make bench-backfill  items a second of one core, beside a boto3 script       [BENCH="--items 100000"]'
	@echo 'make bench-verify    the same of verify, and its memory with many items      [BENCH="--most 0"]'
	@echo 'make bench-cold-start  what importing and attaching take of the CPU            [BENCH="--rounds 20"]'
	@echo 'make bench-cdc       a row log through Kafka into the target, beside a plain one  [BENCH="--most 2000000"]'
	@echo 'make bench-hot-key   one counter written by many threads, plain and in lockstep   [BENCH="--threads 16"]'
	@echo 'make lint            ruff and the import contract'
	@echo 'make types           mypy and pyright, both strict'
	@echo 'make licences        every Python and Rust part with its licence; fails on one that is not open source'
	@echo 'make clean           remove .venv and what the tools leave'
	@echo
	@echo 'make constraints     pin the newest packages and crates that fit, for maintainers'

demo: ready
	@$(BIN)/crossfade demo $(if $(ITEMS),--items $(ITEMS)) $(if $(SEED),--seed $(SEED))

test: ready
	@$(BIN)/python scripts/run_checks.py test $(PYTEST)

proof: ready
	@$(BIN)/python -m crossfade.demo.proof --runs $(or $(RUNS),20) $(if $(DROP),--drop $(DROP))

proof-mysql: ready
	@$(BIN)/python -m examples.mysql_to_dynamodb.proof --runs $(or $(RUNS),10) $(if $(SEED),--seed $(SEED)) $(if $(DROP),--drop $(DROP))

contract: export CASES := $(CASES)
contract: ready
	@STRATEGY=$(STRATEGY) STAGE=$(STAGE) MAPPING=$(MAPPING) VIEW=$(VIEW) CLIENT=$(CLIENT) $(BIN)/python -m tests.contract

faults: export CASES := $(CASES)
faults: ready
	@STRATEGY=$(STRATEGY) STAGE=$(STAGE) MAPPING=$(MAPPING) VIEW=$(VIEW) CLIENT=$(CLIENT) DROP=$(DROP) SINGLY=$(SINGLY) PAIRS=$(PAIRS) SEED=$(SEED) \
	    $(BIN)/python -m tests.faults

histories: ready
	@$(BIN)/python -m tests.histories --runs $(or $(RUNS),3) $(if $(STRATEGY),--strategy $(STRATEGY)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(DROP),--drop $(DROP))

battery: ready
	@$(BIN)/python -m tests.battery --seeds $(or $(SEEDS),3) $(if $(STRATEGY),--strategy $(STRATEGY)) \
	    $(if $(CLIENT),--client $(CLIENT)) $(if $(SEED),--seed $(SEED)) $(if $(DROP),--drop $(DROP))

examples: ready
	@$(BIN)/python -m examples $(if $(ITEMS),--items $(ITEMS))

clients: ready
	@$(BIN)/python -m tests.clients.pynamodb_suite

bench-router bench-observers bench-backfill bench-verify bench-cdc bench-hot-key bench-cold-start: ready
	@$(BIN)/python -m benchmarks.$(subst -,_,$(@:bench-%=%)) $(BENCH)

lint types licences: ready
	@$(BIN)/python scripts/run_checks.py $@

ready:
	@for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3; do \
	    if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	        exec $$python -m scripts.bootstrap; \
	    fi; \
	done; \
	echo 'crossfade: no Python 3.11 or newer on PATH: install one, or name it: make PYTHON=/path/to/python3' >&2; exit 1

constraints: ready
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade --no-header --no-annotate \
	    --no-emit-index-url --no-emit-package crossfade-engine --all-extras --group dev pyproject.toml \
	    --output-file constraints.txt
	@$(BIN)/python -m scripts.build_engine pin

clean:
	rm -rf .venv engine/target .mypy_cache .pytest_cache .ruff_cache .hypothesis
