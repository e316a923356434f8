# Start with `make demo` and `make test`. Each target installs its requirements.

PYTHON ?= python3
# Each Python has a separate environment: .venv, .venv-python3.12, ...
VENV ?= .venv$(addprefix -,$(filter-out python3,$(notdir $(PYTHON))))
BIN := $(VENV)/bin
# One worker runs all tests of a file, so that they share their fixtures. Each would otherwise
# compile all tests again in a shell that keeps Python from writing bytecode.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist loadfile
# Versions of the tools that read the database; each is installed separately below $(VENV).
TOOL_REQUIREMENTS := tests/tools/requirements
# The drills of faults in the field; tests/README.md says which stands for which fault.
FIELD_TESTS := $(addprefix tests/,api archive/mirror cli/test_closed_folders.py cli/test_local_mirror.py cli/test_settings_file.py \
	database/test_data_dir.py database/test_file_systems.py database/test_many_projects.py cli/test_status_command.py archive/verification/test_faults_of_machine.py deployment \
	emulator/test_faults.py emulator/test_identity.py extract/test_bounds.py \
	extract/test_repeated_records.py monitoring test_load.py test_load_limits.py \
	test_load_many_projects.py test_load_project_names.py test_os_errors.py)

# Python compiles a module when it is first used; pip would compile all of them.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile

# Pages with generated parts.
GENERATED := README.md pipelines/README.md pipelines/gaussdb_tasks/archive/README.md \
	pipelines/gaussdb_tasks/deployment/README.md sql/README.md sql/examples/README.md \
	tests/benchmarks/README.md

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 18

.PHONY: demo
demo: $(VENV)/.installed ## Run loads of an invented task center and show the views; no account needed
	@$(BIN)/gaussdb-tasks demo

.PHONY: test
test: $(VENV)/.installed-dev ## Run the tests
	@$(PYTEST)

.PHONY: test-field
test-field: $(VENV)/.installed-dev ## Run the drills of the field: services, stores, sign-in, settings, folders, schedules
	@$(PYTEST) $(FIELD_TESTS)

.PHONY: test-pythons
test-pythons: ## Run the demo and the tests with each supported Python that is installed
	@for python in python3.11 python3.12 python3.13; do \
		if $$python -c '' 2>/dev/null; then $(MAKE) --no-print-directory demo test PYTHON=$$python || exit 1; \
		else echo "$$python is not installed"; fi; \
	done

.PHONY: test-duckdb-2
test-duckdb-2: $(VENV)/.installed-dev $(VENV)/duckdb-2.0/.installed ## Run the tests with DuckDB 2.0 in place of the pinned one
	@PYTHONPATH=$(abspath $(VENV))/duckdb-2.0 $(PYTEST)

.PHONY: test-tools
test-tools: $(VENV)/.installed-dev $(VENV)/plain/.installed $(VENV)/tools/.installed $(VENV)/keystone/.installed $(VENV)/airflow/.installed $(VENV)/dlt/.installed $(VENV)/spark/.installed $(VENV)/duckdb-1.4/.installed $(VENV)/duckdb-2.0/.installed ## Test separate installations: a plain wheel, each DuckDB and tool, a Keystone, an Airflow, a Spark, other destinations of dlt, a Dagster
	@TEST_TOOLS=required $(PYTEST) tests/tools

# Installs nothing but a Debian below $(VENV), which debootstrap takes from the archive that apt uses.
.PHONY: test-systemd
test-systemd: $(VENV)/.installed-dev ## Test the schedules of systemd and cron in a booted Debian; needs root and systemd-nspawn
	@TEST_SYSTEMD=$${TEST_SYSTEMD:-wanted} $(BIN)/python -m pytest tests/booted

.PHONY: test-thorough
test-thorough: $(VENV)/.installed-dev ## Run the tests with many more examples; takes long
	@HYPOTHESIS_PROFILE=thorough $(PYTEST)

.PHONY: crash-matrix
crash-matrix: $(VENV)/.installed-dev ## Kill a load at each of its steps and check the result; takes 15 minutes or more
	@$(BIN)/python -m tests.survival.crash_matrix

.PHONY: fleet-drill
fleet-drill: $(VENV)/.installed-dev ## Kill five loaders that load and publish at once, for some nights; takes 10 minutes
	@$(BIN)/python -m tests.survival.fleet_drill

.PHONY: tamper-campaign
tamper-campaign: $(VENV)/.installed-dev ## Edit archives and databases in a thousand ways and check that verify finds each; takes 15 minutes
	@$(BIN)/python -m tests.survival.tamper_campaign

.PHONY: simulate-years
simulate-years: $(VENV)/.installed-dev ## Run years of invented loads and compare the archive with the visible history
	@$(BIN)/python -m tests.survival.simulate_years

.PHONY: bench-archive
bench-archive: $(VENV)/.installed-dev ## Measure verification, rebuild and publication of an archive
	@$(BIN)/python -m tests.benchmarks.bench_archive

.PHONY: simulate-decade
simulate-decade: $(VENV)/.installed-dev ## Run ten years of loads and measure what grows; takes an hour
	@$(BIN)/python -m tests.benchmarks.simulate_decade

.PHONY: check
check: $(VENV)/.installed-dev ## Check format, lint, types, layers, SQL and generated docs
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > $(VENV)/layers.log || { cat $(VENV)/layers.log; exit 1; }
	@$(BIN)/sqlfluff lint --disable-progress-bar --nocolor sql
	@$(BIN)/cog -P -I . --check $(GENERATED)

.PHONY: format
format: $(VENV)/.installed-dev ## Format Python and SQL
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix
	@$(BIN)/sqlfluff format --disable-progress-bar --nocolor sql

.PHONY: docs
docs: $(VENV)/.installed-dev ## Update the generated parts of the docs
	@$(BIN)/cog -P -I . -r $(GENERATED)

# `man` finds pages beside the folders of PATH.
.PHONY: man
man: $(VENV)/.installed-dev ## Write the pages for `man` into $(VENV)/share/man
	@$(BIN)/python -m tests.support.man_pages $(VENV)/share/man/man1

.PHONY: bench
bench: $(VENV)/.installed-dev ## Measure loads beside other loaders, and small commands; SIZES=100,10000 WRITE=1
	@SIZES=$(SIZES) WRITE=$(WRITE) $(BIN)/python -m tests.benchmarks.bench_loaders

.PHONY: bench-extract
bench-extract: $(VENV)/.installed-dev ## Measure the reading of 100,000 tasks without HTTP, in CPU seconds
	@$(BIN)/python -m tests.benchmarks.bench_extract

.PHONY: bench-projects
bench-projects: $(VENV)/.installed-dev ## Measure loads of a thousand projects without new tasks
	@$(BIN)/python -m tests.benchmarks.bench_projects

.PHONY: bench-growth
bench-growth: $(VENV)/.installed-dev ## Measure a night of a thousand projects after ten years, in CPU seconds
	@$(BIN)/python -m tests.benchmarks.bench_growth

.PHONY: bench-views
bench-views: $(VENV)/.installed-dev ## Measure every view at one and at ten million tasks
	@$(BIN)/python -m tests.benchmarks.bench_views

.PHONY: bench-spark
bench-spark: $(VENV)/.installed-dev $(VENV)/spark/.installed ## Measure every view on a Spark with two workers; needs Java
	@$(BIN)/python -m tests.benchmarks.bench_spark

.PHONY: clean
clean: ## Remove the environments and the demo's data
	rm -rf .venv .venv-* data/demo

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed; name one: make PYTHON=python3.12") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml
	@echo "installing into $(VENV)"
	@$(BIN)/python $(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python pyproject.toml
	@echo "installing into $(VENV), with the requirements of the tests"
	@$(BIN)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/tools/.installed $(VENV)/keystone/.installed $(VENV)/airflow/.installed $(VENV)/spark/.installed: $(VENV)/%/.installed: $(TOOL_REQUIREMENTS)/%.txt | $(VENV)/bin/python
	@echo "installing into $(@D)"
	@rm -rf $(@D)
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --requirement $<
	@touch $@

# The destinations of dlt, and what runs its sources, beside this package.
$(VENV)/dlt/.installed: $(TOOL_REQUIREMENTS)/dlt.txt pyproject.toml | $(VENV)/bin/python
	@echo "installing into $(@D)"
	@rm -rf $(@D)
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --editable . --requirement $<
	@touch $@

# The wheel without extras, as a user installs it.
$(VENV)/plain/.installed: pyproject.toml $(shell find pipelines sql -type f -not -name '*.pyc') | $(VENV)/.installed-dev
	@echo "building the wheel and installing it into $(@D)"
	@rm -rf $(@D)
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir $(@D)/wheel .
	@$(BIN)/python -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check $(@D)/wheel/*.whl
	@touch $@

$(VENV)/duckdb-%/.installed: $(TOOL_REQUIREMENTS)/duckdb-%.txt | $(VENV)/bin/python
	@echo "installing into $(@D)"
	@rm -rf $(@D)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --target $(@D) --requirement $<
	@touch $@
