# The only commands people type; CI types the same ones.
# Each target works alone on a fresh clone with Python >= 3.11, make, git and (where templates are written) Node >= 20.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

PYTHON ?= python3
STAGE ?=
NAME ?= up
CDK_VERSION := 2.1148.1
UV_VERSION := 0.13.8
VENV := .venv
TOOLS := .tools
UV = $(TOOLS)/bin/uv
RUN := $(VENV)/bin/python
SYNCED := $(VENV)/.synced

export UV_PROJECT_ENVIRONMENT := $(CURDIR)/$(VENV)
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1
export JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION := 1
export JSII_RUNTIME_PACKAGE_CACHE := enabled

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(SYNCED) need-node assets ## Clear one month on this machine; the results lie in out/demo/
	@$(RUN) -m infra.local.demo

.PHONY: up
up: $(SYNCED) need-node assets ## Start the laptop stack and leave it running (PORT=4566); prints URLs and tokens
	@$(RUN) -m infra.local.up --name $(NAME) $(if $(PORT),--port $(PORT))

.PHONY: down
down: $(SYNCED) ## Stop what `make up` started
	@$(RUN) -m infra.local.down --name $(NAME)

.PHONY: test
test: lint need-node assets ## Everything CI checks: lint, types, import contracts, all tests, the e2e on the laptop stack
	@$(RUN) -m pytest -n 2 --dist loadfile -m "not e2e"
	@$(RUN) -m pytest -m e2e tests

.PHONY: lint
lint: $(SYNCED) ## Ruff (rules and format), mypy --strict, import contracts, pinned versions
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports --config .importlinter
	@$(RUN) -m infra.lock --check

.PHONY: synth
synth: $(SYNCED) need-node assets ## Write the CloudFormation templates of every stage (or STAGE=...) to cdk.out and lint them
	@$(RUN) -m infra.synth $(STAGE)

.PHONY: openapi
openapi: $(SYNCED) ## Write docs/openapi.json from the routes of the finance API
	@$(RUN) -m infra.local.openapi

.PHONY: examples
examples: $(SYNCED) ## Keep answers of the tests as examples of the finance API in docs/examples
	@mkdir -p docs/examples
	@ROAMCLEAR_EXAMPLES=docs/examples $(RUN) -m pytest tests/integration
	@$(RUN) -m infra.local.openapi

.PHONY: deploy
deploy: $(SYNCED) need-node assets ## Deploy STAGE=dev or STAGE=prod to the AWS account of the current credentials
	@[[ "$(STAGE)" =~ ^(dev|prod)$$ ]] || { echo "Say which stage: make deploy STAGE=dev (or prod)." >&2; exit 2; }
	@command -v npx >/dev/null || { echo "npx is missing; it comes with Node.js >= 20." >&2; exit 2; }
	@$(RUN) -m infra.build_layers --uv $(UV)
	@ROAMCLEAR_STAGE=$(STAGE) npx --yes aws-cdk@$(CDK_VERSION) deploy --app "$(RUN) -m infra.app" --all --require-approval never $(CDK_ARGS)

.PHONY: bench
bench: $(SYNCED) assets ## Print the measured figures beside their limits
	@$(RUN) -m infra.bench

.PHONY: lock
lock: $(SYNCED) ## Take the newest allowed versions and pin them again (pyproject.toml and infra/layers/*.txt)
	@$(RUN) -m infra.lock --uv $(UV)

# -- what the commands stand on -------------------------------------------------------------------------------------

.PHONY: need-python need-node assets
need-python:
	@command -v $(PYTHON) >/dev/null || { echo "Python is missing: install Python 3.11 or newer (or say PYTHON=/path/to/python3)." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed, $$($(PYTHON) -V) is too old; say PYTHON=/path/to/python3.11." >&2; exit 2; }

need-node:
	@command -v node >/dev/null || { echo "Node.js is missing: install Node.js 20 or newer; the CDK needs it to write the template." >&2; exit 2; }

# Fonts and XML schemas of the documents: made from pinned packages, never committed.
assets: $(SYNCED)
	@$(RUN) -m infra.fonts >/dev/null
	@$(RUN) -m infra.schemas >/dev/null

# uv itself is pinned and lives beside the project, whatever else is on PATH.
$(UV): | need-python
	@echo "installing uv $(UV_VERSION) into $(TOOLS)/ ..." >&2
	@$(PYTHON) -m venv $(TOOLS) || { echo "Python cannot make a virtual environment: install its venv module (Debian: apt install python3-venv)." >&2; exit 2; }
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) || { echo "uv $(UV_VERSION) could not be installed: is PyPI reachable?" >&2; exit 2; }

$(SYNCED): pyproject.toml | $(UV)
	@echo "installing the pinned packages into $(VENV)/ ..." >&2
	@$(UV) sync --quiet --all-groups || { echo "The packages could not be installed: is PyPI reachable?" >&2; exit 2; }
	@touch $@
