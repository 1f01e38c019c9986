# Everything a developer does here. `make` alone lists it. Nothing is needed but Python 3.11 or later.

VENV := .venv
BIN := $(VENV)/bin
# Touched when the virtual environment holds exactly what requirements.lock and pyproject.toml ask for.
INSTALLED := $(VENV)/.installed
CODE := server schema resolvers storage tests $(patsubst %/,%,$(sort $(dir $(wildcard examples/*.py benchmarks/*.py))))

help: ## List the targets.
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 12

setup: $(INSTALLED) ## Make the virtual environment .venv with everything in it (the other targets do it when needed).

run: $(INSTALLED) ## Serve Switchboard at http://127.0.0.1:8000, with an embedded MongoDB under ./data.
	@$(BIN)/switchboard serve

demo: $(INSTALLED) ## Play the journey of an outside app against a running server (or one started for it).
	@$(BIN)/switchboard demo

test: $(INSTALLED) ## Run the tests, against a MongoDB that they start themselves.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

coverage: $(INSTALLED) ## Run the tests and print the lines and branches that none of them reaches.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --cov --cov-report=term

soak: $(INSTALLED) ## Kill servers and primaries under load, and load one with ever-new things, for SOAK_SECONDS each (600); take SOAK_STEPS (5000) at random.
	SOAK_SECONDS=$${SOAK_SECONDS:-600} SOAK_STEPS=$${SOAK_STEPS:-5000} \
		$(BIN)/python -m pytest -s tests/faults/test_storms.py tests/faults/test_soak.py tests/resolvers/test_rooms_stateful.py

audit: $(INSTALLED) ## Let the audit suites and clients of others at a server, and write what they find to docs/security.md.
	@$(BIN)/python audit/run.py --write

audit-lock: $(INSTALLED) ## Choose the newest versions of what make audit runs, and write them down.
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install uv
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make audit-lock" audit/requirements.in --output-file audit/requirements.txt
	cd audit && npm update --package-lock-only

check: $(INSTALLED) ## Check format, lint, types, import contracts, and that schema/schema.graphql is up to date.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/switchboard export-schema --check

schema: $(INSTALLED) ## Write schema/schema.graphql from the code.
	$(BIN)/switchboard export-schema

lock: $(INSTALLED) ## Choose the newest versions that pyproject.toml allows, and write requirements.lock.
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install uv
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --generate-hashes --all-extras \
		--custom-compile-command "make lock" pyproject.toml --output-file requirements.lock

clean: ## Remove the virtual environment and all that tools left behind. The data stay.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml
	@for python in python3 python3.13 python3.12 python3.11 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Switchboard needs Python 3.11 or later, and there is none on the PATH." >&2; exit 1; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Making a virtual environment in $(VENV) with $$($$found --version) ..."; \
		$$found -m venv --clear $(VENV) || { \
			echo "$$found could not make a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing what requirements.lock names (the first time this takes about a minute) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement requirements.lock
	@echo "Installing Switchboard itself ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help setup run demo test coverage soak audit audit-lock check schema lock clean
