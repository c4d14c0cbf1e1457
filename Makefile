# One command each; `make help` lists them. Everything is made in .venv, from requirements locked with hashes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready
UV     := $(BIN)/uv
# Which tests, and further options of pytest: make test T=tests/idp ARGS="-x"
T      ?= tests
ARGS   ?=
JOBS   ?= 2
# How long each parser is fuzzed: make fuzz T=dpop-proof SECONDS=600
SECONDS ?= 60

export AUTO EXIT

.DEFAULT_GOAL := help
.PHONY: help setup demo up test test-keycloak fuzz audit sbom check format-check lint types imports structure fix docs bench peer lock clean python-present

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) ## make .venv with everything the project uses (done by the others when needed)

demo: $(READY) ## start on nothing, play a night, stay up until Ctrl-C (AUTO=1: nobody clicks; EXIT=1: end with a summary)
	@$(BIN)/python -m deploy.demo

up: $(READY) ## start without playing, on the state of the last time
	@$(BIN)/python -m deploy.demo --no-play

test: $(READY) ## every test, with the programs they need where they may be installed (T=tests/idp ARGS=-x)
	@.ci/services
	$(BIN)/python -m pytest $(T) $(if $(filter-out 0 1,$(JOBS)),-n $(JOBS) --dist worksteal) $(ARGS)

fuzz: $(READY) ## every parser of the outside under libFuzzer, two at a time (T=dpop-proof, or a pattern; SECONDS=60 each)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/fuzz.txt
	@$(BIN)/python -m tests.fuzz run $(SECONDS) '$(if $(filter tests,$(T)),*,$(T))'

# The tools of the two commands below have an environment of their own: they are no part of what everybody sets up.
SUPPLY := var/supply-chain

$(SUPPLY)/ready: requirements/supply-chain.txt $(READY)
	@$(UV) venv --quiet --allow-existing --python $(BIN)/python $(SUPPLY)/tools
	@$(UV) pip sync --quiet --python $(SUPPLY)/tools/bin/python --require-hashes requirements/supply-chain.txt
	@touch $@

audit: $(SUPPLY)/ready ## the locked packages against the published advisories; fails too where these cannot be reached
	@$(BIN)/python -m deploy.supply_chain.audit $(SUPPLY)/tools/bin/pip-audit

sbom: $(SUPPLY)/ready ## the parts of what runs as CycloneDX, in var/sbom.cdx.json, held against the lock and the accepted licences
	@$(UV) venv --quiet --allow-existing --python $(BIN)/python $(SUPPLY)/runtime
	@$(UV) pip sync --quiet --python $(SUPPLY)/runtime/bin/python --require-hashes requirements/runtime.txt
	@$(SUPPLY)/tools/bin/cyclonedx-py environment $(SUPPLY)/runtime/bin/python --pyproject pyproject.toml --mc-type application \
		--output-format JSON --output-reproducible --validate --output-file var/sbom.cdx.json
	@$(BIN)/python -m deploy.supply_chain.sbom var/sbom.cdx.json

KEYCLOAK := keycloak-26.0.8

test-keycloak: $(READY) ## the guide for Keycloak with a real one, fetched by mvn into var; two minutes of a processor, so apart
	@test -d var/$(KEYCLOAK) || { mkdir -p var && mvn -q -B dependency:copy -DoutputDirectory=var \
		-Dartifact=org.keycloak:keycloak-quarkus-dist:$(KEYCLOAK:keycloak-%=%):tar.gz \
		&& tar -xzf var/keycloak-quarkus-dist-$(KEYCLOAK:keycloak-%=%).tar.gz -C var; }
	VEILLEUR_KEYCLOAK=$(CURDIR)/var/$(KEYCLOAK) $(BIN)/python -m pytest tests/end_to_end/guides/test_keycloak.py $(ARGS)

check: format-check lint types imports structure ## format, lint, types, imports, layout and documents

format-check: $(READY)
	@$(BIN)/ruff format --check --output-format concise . || { echo "make fix formats them"; exit 1; }

lint: $(READY)
	$(BIN)/ruff check --quiet --output-format concise .

types: $(READY)
	$(BIN)/mypy

imports: $(READY)
	$(BIN)/lint-imports --no-logo

structure: $(READY)
	$(BIN)/python -m pytest tests/architecture -q $(ARGS)

fix: $(READY) ## format, and mend what can be mended by machine
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(READY) ## write the generated pages of docs/reference
	$(BIN)/python docs/generate.py

bench: $(READY) ## measure the budgets of docs/benchmarks.md, as rates per CPU-second and ratios to their limit
	@$(BIN)/python -m bench $(ARGS)

peer: ## the provider that ours is measured beside, as locked, fetched by npm into var (needs Node)
	@mkdir -p var/peer && cp bench/oidc_provider/package.json bench/oidc_provider/package-lock.json var/peer/
	npm ci --prefix var/peer --no-audit --no-fund --silent

COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock: $(READY) ## write requirements/*.txt from pyproject.toml (UPGRADE=1 takes newer versions)
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group bootstrap --output-file requirements/bootstrap.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --output-file requirements/runtime.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group fuzz --output-file requirements/fuzz.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) --group supply-chain --output-file requirements/supply-chain.txt
	$(COMPILE) $(if $(UPGRADE),--upgrade) pyproject.toml --group dev --constraint requirements/runtime.txt --output-file requirements/dev.txt

clean: ## remove .venv, caches and the state of the demonstration (var)
	rm -rf $(VENV) var artefacts .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A missing interpreter is told before anything is made.
python-present:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not installed. Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "make: Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1). Name another one: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	|| { echo "make: $(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }

SOURCES = idp siem vocabulary deploy

# pip fetches uv, whose hash is locked too; uv fetches the rest. Where there is no uv for the machine, pip does it all.
$(READY): requirements/bootstrap.txt requirements/dev.txt pyproject.toml | python-present
	@test -x $(BIN)/python || { echo "Making $(VENV) …"; $(PYTHON) -m venv $(VENV); }
	@echo "Installing the locked requirements …"
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/bootstrap.txt; then \
		$(UV) pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements/bootstrap.txt requirements/dev.txt && \
		$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .; \
	else \
		echo "No uv for this machine: pip installs, which takes a minute." && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .; \
	fi
	@# Modules are compiled now, so that no start pays for it, even where Python may not write next to what it reads.
	@$(BIN)/python -m compileall -q $(SOURCES)
	@touch $@
