# `make help` lists the targets. Everything is installed into .venv and .local of this checkout.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR)/plugins:$(CURDIR)
# A uv that is there is used; otherwise one is installed for this checkout.
UV := $(shell command -v uv || echo .local/uv/bin/uv)
UV_VERSION := 0.13.9
SQL := include/sql commands/sql proofs/sql
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-header --no-annotate
INSTALL := UV_LINK_MODE=copy $(UV) pip sync --quiet --compile-bytecode

# How many processes run the tests beside the one with the whole stack. More than there are cores, as a test mostly waits for an emulator.
WORKERS := 3
MEASURED := --cov --cov-report=
# Modules below so many percent are listed after the tests.
LOW_COVERAGE := 80

.PHONY: help setup demo up down airflow status schema load backfill preview explain doctor test test-full test-parts test-stack dirty repair stress incident bench bench-lease bench-season simulate check fix docs wheel vendor lock clean

help: ## List the targets.
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  \1\t/' | expand -t 14

setup: .venv/.installed .local/emulator-venv/.installed ## Install what is missing; every other target does so too.

demo: setup ## Grade a sample, or DATA=dir, on a stack of its own; OUT=dir exports the grades, KEEP=1 leaves it running.
	@$(PYTHON) -m commands.demo $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)") $(if $(KEEP),--keep)

up: setup ## Start the local stack: Airflow at http://127.0.0.1:8080 (STACK_PORT_BASE=… for another port).
	@$(PYTHON) -m commands.stack up

down: setup ## Stop it.
	@$(PYTHON) -m commands.stack down

airflow: setup ## Airflow's own command line on the running stack: make airflow CMD="backfill create --dag-id …".
	@$(PYTHON) -m commands.stack run airflow $(CMD)

status: setup ## Say what runs.
	@$(PYTHON) -m commands.stack status

schema: setup ## Create the tables: in the local stack with LOCAL=1, else in GRADING_PROJECT.
	@$(PYTHON) -m commands.schema $(if $(LOCAL),--local)

load: setup ## Load DATA=dir into the local stack (a generated sample without DATA); STRICT=1 refuses what is otherwise noted.
	@$(PYTHON) -m commands.load $(if $(DATA),"$(DATA)",--sample) --local $(if $(STRICT),--strict)

backfill: setup ## Grade FROM=2026-01-04 TO=2026-01-16, both included; REGRADE=1 grades finished dates again.
	@$(PYTHON) -m commands.backfill --from "$(FROM)" --to "$(TO)" $(if $(REGRADE),--regrade)

preview: setup ## Say what grading FROM=… TO=… again would change; publishes nothing.
	@$(PYTHON) -m commands.preview --from "$(FROM)" --to "$(TO)"

explain: setup ## Say why a grade is what it is: SYSTEM=… PLAYER=… DATE=…, LINE=… for one line of the player.
	@$(PYTHON) -m commands.explain --local --system "$(SYSTEM)" --player "$(PLAYER)" --date "$(DATE)" --line "$(LINE)"

doctor: setup ## Say what keeps an Airflow from grading: the local one, or AIRFLOW_API_URL.
	@$(PYTHON) -m commands.doctor

test: setup ## Run every test, with the emulators and a whole stack, and measure coverage; MEASURED= without, a tenth faster; TESTS=path for some.
ifdef TESTS
	@$(PYTHON) -m pytest $(TESTS)
else
	@$(MAKE) --no-print-directory --jobs 2 test-parts test-stack
ifneq ($(MEASURED),)
	@coverage combine --quiet --append .local/stack.coverage
	@echo "coverage of plugins/nba_grading by both runs, with the modules below $(LOW_COVERAGE) %:"
	@coverage report --sort=cover | awk '$$NF == "Cover" || $$1 == "TOTAL" || ($$NF ~ /%$$/ && $$NF + 0 < $(LOW_COVERAGE))'
endif
endif

test-full: setup ## The same with every kill point, larger properties and a longer stress run: about an hour.
	@FULL_TESTS=1 $(MAKE) --no-print-directory --jobs 2 test-parts test-stack MEASURED= LONGEST="--timeout 3600"

# The two halves of the tests, side by side; the report of the whole stack is shown when it is complete.
test-parts:
	@$(PYTHON) -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --ignore tests/e2e $(LONGEST) $(MEASURED)

test-stack:
	@COVERAGE_FILE=.local/stack.coverage $(PYTHON) -m pytest tests/e2e $(MEASURED) >.local/test-stack.log 2>&1; \
		status=$$?; cat .local/test-stack.log; exit $$status

dirty: setup ## Build the state that history left, at its true size, in the running local stack.
	@$(PYTHON) -m proofs.seed_incident

repair: setup ## Build that state on a stack of its own, and repair it by the maintenance DAGs; KEEP=1 leaves it running.
	@$(PYTHON) -m proofs.repair $(if $(KEEP),--keep)

stress: setup ## Prove the lease and the fenced write under fire, in full size: 10,000 cycles; SIZES="--quick" or "--cycles 500 …" for less.
	@$(PYTHON) -m proofs.stress $(SIZES)

incident: setup ## Replay the incident at its true size: the old recipe's duplicates, and none of ours.
	@$(PYTHON) -m proofs.incident

bench: setup ## Measure grading, repair, consolidation and aggregates against DuckDB itself and row by row; SIZES=--quick, PLOT=file.svg; fails when a target is missed, but for NO_CHECK=1.
	@$(PYTHON) -m proofs.bench $(SIZES) $(if $(NO_CHECK),--no-check) $(if $(PLOT),--plot "$(PLOT)")

bench-season: setup ## Measure backfills of 10, 40, 92 and 160 dates through a whole Airflow, beside DAGs without work; part of bench.
	@$(PYTHON) -m proofs.season $(if $(NO_CHECK),--no-check)

bench-lease: setup ## Measure the lease against one raw call to Firestore, and its waiters; writes .local/bench-lease.json; fails as bench does.
	@$(PYTHON) -m proofs.bench_lease $(if $(NO_CHECK),--no-check)

simulate: setup ## Predict a backfill on BigQuery's documented rules: DATES=900 ROWS=10000 WRITERS=16; TABLES=1 for all of docs/scale.md, PLOT=file.svg; LOCAL=file.json for the local stack; ARGS="…" for more.
	@$(PYTHON) -m proofs.simulate $(if $(DATES),--dates $(DATES)) $(if $(ROWS),--rows $(ROWS)) $(if $(WRITERS),--writers $(WRITERS)) $(if $(TABLES),--tables) $(if $(PLOT),--plot "$(PLOT)") $(if $(LOCAL),--local "$(LOCAL)") $(ARGS)

check: setup ## Lint, format, types, SQL, generated docs: what CI and pre-commit run.
	ruff check .
	ruff format --check .
	mypy
	lint-imports --no-cache
	sqlfluff lint --disable-progress-bar $(SQL)
	$(PYTHON) -m commands.docs --check

fix: setup ## Fix what the tools can fix.
	ruff check --fix .
	ruff format .
	sqlfluff fix --disable-progress-bar $(SQL)

docs: setup ## Write the generated pages of docs/ again.
	$(PYTHON) -m commands.docs

wheel: setup ## Build dist/nba_grading-<version>-py3-none-any.whl: the package with its SQL, for production.
	@rm -rf dist
	@$(PYTHON) -m build --wheel --no-isolation

vendor: setup ## Fetch the charting library of the page Grading again, pinned by its sha512; needs the network.
	$(PYTHON) -m commands.vendor

lock: $(UV) ## Compile the requirements again.
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-emulator.in -o requirements-emulator.txt

clean: ## Stop the stack and remove everything that was installed or written.
	-@test -x $(PYTHON) && $(PYTHON) -m commands.stack down
	rm -rf .venv .local dist out

.local/uv/bin/uv:
	@echo "installing uv"
	@python3 -m venv .local/uv
	@.local/uv/bin/pip install --quiet uv==$(UV_VERSION)

.venv/.installed: requirements.txt requirements-dev.txt | $(UV)
	@echo "installing Airflow and the tools into .venv (about a minute)"
	@test -x $(PYTHON) || $(UV) venv --quiet --python '>=3.11,<3.13' .venv
	@VIRTUAL_ENV=.venv $(INSTALL) requirements.txt requirements-dev.txt
	@touch $@

.local/emulator-venv/.installed: requirements-emulator.txt | $(UV)
	@echo "installing the BigQuery emulator into .local/emulator-venv"
	@test -x .local/emulator-venv/bin/python || $(UV) venv --quiet --python '>=3.11,<3.13' .local/emulator-venv
	@VIRTUAL_ENV=.local/emulator-venv $(INSTALL) requirements-emulator.txt
	@touch $@
