# The development tasks. `make` lists them. They need only Python 3.11 or later.

VENV := .venv
BIN := $(VENV)/bin
# Updated when the packages of requirements.lock and pyproject.toml have been installed.
INSTALLED := $(VENV)/.installed
# Updated when the packages of examples/requirements.lock have been installed, too.
EXAMPLES := $(VENV)/.examples
# Tests also wait for time-outs and processes, so two cores serve three workers. tests/conftest.py orders the files.
# Programs that tests start are compiled once, also where PYTHONDONTWRITEBYTECODE is set.
# A test that fails is repeated once, and shown: docs/decisions/0042.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -p tests.repeats --reruns 1 --numprocesses 3 --dist loadfile --no-loadscope-reorder
CODE := server schema resolvers storage client tests docs web/build.py $(patsubst %/,%,$(sort $(dir $(wildcard examples/*.py benchmarks/*.py))))

help: ## List the targets.
	@echo "usage: make TARGET"
	@sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(INSTALLED) ## Create the virtual environment .venv (the other targets do this if needed).

run: pages ## Serve Switchboard at http://127.0.0.1:8000, with an embedded MongoDB under ./data.
	@$(BIN)/switchboard serve

demo: $(INSTALLED) ## Run an example of an outside app against a running server, or against a temporary one.
	@$(BIN)/switchboard demo

demo-external-routing: $(INSTALLED) ## Run examples/external_routing against a stand-in of the outside system.
	@$(BIN)/switchboard demo external_routing

demo-salesforce-chat: $(EXAMPLES) ## Run a conversation with agents at Salesforce, without an account.
	@$(BIN)/switchboard demo salesforce_chat

demo-crm: $(EXAMPLES) ## Run a conversation that becomes a contact, a case and a transcript in a stand-in of Salesforce.
	@$(BIN)/switchboard demo salesforce_crm

demo-rasa: $(EXAMPLES) ## Run a conversation with the Rasa bot, against a stand-in of Rasa.
	@$(BIN)/switchboard demo rasa_bot

demo-dialogflow: $(EXAMPLES) ## Run conversations with the Dialogflow bot, against a stand-in of Dialogflow ES and CX.
	@$(BIN)/switchboard demo dialogflow_bot

rasa-check: $(EXAMPLES) ## Train a small bot on a real Rasa 3.6, which needs Python 3.10 and 2.7 GB, and converse with it.
	@$(BIN)/python -m examples.rasa_bot.check

pages: $(INSTALLED) ## Build the pages of web/ for browsers, unless they are built (run and test do this, too).
	@$(BIN)/python web/build.py

wheel: $(INSTALLED) ## Build the wheel, with the pages, into dist/.
	@$(BIN)/python web/build.py --strict
	$(BIN)/python -m pip wheel --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .

docs: $(INSTALLED) ## Build the documentation as a site into build/docs-site, without a network.
	@$(BIN)/python -m docs.site

release: $(INSTALLED) ## Build wheel and sdist into dist/, list their packages (SBOM), and look for known vulnerabilities.
	@$(BIN)/python web/build.py --strict
	@$(BIN)/python audit/release.py

test: pages $(EXAMPLES) ## Run the tests, against a MongoDB that they start.
	$(PYTEST)

screenshots: pages ## Take the screenshots of docs/images again, of sample data, with the Chromium of the machine.
	@$(BIN)/python -m tests.browser.screenshots

coverage: pages $(EXAMPLES) ## Run the tests and print the lines and branches that they do not reach.
	$(PYTEST) --cov --cov-report=term

bench: $(INSTALLED) ## Measure beside references and print one table. PEER=FOLDER compares with another server.
	@$(BIN)/python -m benchmarks $(if $(PEER),--peer $(PEER)) $(BENCH)

plots: $(INSTALLED) ## Draw the plots of docs/images, and write the tables of docs/benchmarks.md. RESULTS=FILE takes new results.
	@$(BIN)/python -m benchmarks.growth.plots $(RESULTS)

soak: $(INSTALLED) ## Run fault tests for SOAK_SECONDS (600) each, and random tests with SOAK_STEPS (5000) and SOAK_EXAMPLES (500).
	SOAK_SECONDS=$${SOAK_SECONDS:-600} SOAK_STEPS=$${SOAK_STEPS:-5000} SOAK_EXAMPLES=$${SOAK_EXAMPLES:-500} \
		$(BIN)/python -m pytest -s --timeout 0 tests/faults/test_killed_servers.py tests/faults/test_soak.py \
		tests/resolvers/test_rooms_stateful.py tests/resolvers/live/test_lists_stateful.py \
		tests/storage/filters/test_query_and_predicate_agree.py tests/storage/log/test_subscription_index.py

audit: $(INSTALLED) ## Run third-party audits and clients against a server, and write their results to docs/security.md.
	@$(BIN)/python audit/run.py --write

audit-lock: $(INSTALLED) ## Update the versions of the packages of make audit.
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install uv
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make audit-lock" audit/requirements.in --output-file audit/requirements.txt
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make audit-lock" audit/requirements-clients.in --output-file audit/requirements-clients.txt
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make audit-lock" audit/requirements-release.in --output-file audit/requirements-release.txt
	cd audit && npm update --package-lock-only

check: $(EXAMPLES) ## Check format, lint, types, import contracts, and what is generated.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(CODE)
	$(BIN)/lint-imports
	$(BIN)/switchboard export-schema --check
	cd client && ../$(BIN)/python -m codegen --check

schema: $(INSTALLED) ## Write schema/schema.graphql from the code, and the generated modules of the client from it.
	$(BIN)/switchboard export-schema
	cd client && ../$(BIN)/python -m codegen

lock: $(INSTALLED) ## Write requirements.lock and examples/requirements.lock with the newest versions that are allowed.
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install uv
	$(BIN)/python -m uv pip compile --quiet --upgrade --universal --generate-hashes --all-extras \
		--custom-compile-command "make lock" pyproject.toml --output-file requirements.lock
	rm -f examples/requirements.lock
	@$(MAKE) --no-print-directory lock-examples lock-image

lock-examples: ## Write examples/requirements.lock, with the versions that it and requirements.lock have already.
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install uv
	$(BIN)/python -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--constraints requirements.lock --custom-compile-command "make lock" \
		examples/requirements.in --output-file examples/requirements.lock

lock-image: ## Write deploy/requirements.lock, the packages of the container image, with the versions of requirements.lock.
	$(BIN)/python -m uv --version >/dev/null 2>&1 || $(BIN)/python -m pip install uv
	$(BIN)/python -m uv pip compile --quiet --universal --generate-hashes --constraints requirements.lock \
		--extra traces --custom-compile-command "make lock" pyproject.toml --output-file deploy/requirements.lock

clean: ## Remove the virtual environment, the pages and the caches of tools. The data stay.
	rm -rf $(VENV) audit/.venv-release build dist *.egg-info client/build client/*.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf web/node_modules web/dist web/src/gql server/pages/built server/pages/build_failure.txt
	find $(CODE) -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements.lock pyproject.toml client/pyproject.toml
	@for python in python3 python3.13 python3.12 python3.11 python; do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Switchboard needs Python 3.11 or later, which is not on the PATH." >&2; exit 1; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
		echo "Creating a virtual environment in $(VENV) with $$($$found --version) ..."; \
		$$found -m venv --clear $(VENV) || { \
			echo "$$found could not create a virtual environment; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	fi
	@echo "Installing the packages of requirements.lock (about a minute the first time) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement requirements.lock
	@echo "Installing Switchboard itself and its client ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation \
		--editable . --editable client
	@touch $@

$(EXAMPLES): $(INSTALLED) examples/requirements.lock
	@echo "Installing the packages of examples/requirements.lock (about half a minute the first time) ..."
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes --requirement examples/requirements.lock
	@touch $@

.PHONY: help setup run pages screenshots bench plots wheel docs release demo demo-crm demo-external-routing demo-salesforce-chat demo-rasa demo-dialogflow test coverage soak audit audit-lock check schema lock lock-examples lock-image clean rasa-check
