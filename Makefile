# One line each on top of `rerank`. A fresh clone needs Python >= 3.11, a JDK >= 21 and Maven; everything else is brought here.
#   make demo   the whole path on this machine, left running      make down   stop it
#   make test   all that CI runs                                  make lint   the linters alone
#   make env    the developers' environment                       make plugin the plugin's zip

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := 0.13.8
PLUGIN := opensearch/plugin
PLUGIN_SOURCES := $(shell find $(PLUGIN)/src $(PLUGIN)/pom.xml tests/contract -type f 2>/dev/null)
MVN = JAVA_HOME="$$($(BIN)/python -m cluster.jdk)" mvn -B -ntp -q -f $(PLUGIN)/pom.xml
DEMO = $(if $(DATA),--data $(DATA))

.PHONY: env models demo down test lint unit integration plugin plugin-test

env: $(VENV)/.dev

demo: $(VENV)/.ops plugin
	$(BIN)/rerank demo $(DEMO)

down: $(VENV)/.ops
	$(BIN)/rerank down

# The shipped models anew, from the data sets (RERANK_DATA): about four hours.
models: env
	bash recipes/make_models.sh

plugin: $(PLUGIN)/target/.packaged

test: lint unit plugin-test integration

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy -p sidecar -p training -p cluster -p scripts -p benchmarks

unit: env
	$(BIN)/pytest -q --ignore=tests/integration

plugin-test: env
	$(MVN) package
	@touch $(PLUGIN)/target/.packaged

integration: env plugin
	$(BIN)/pytest -q tests/integration

$(PLUGIN)/target/.packaged: $(PLUGIN_SOURCES) | $(VENV)/.ops
	$(MVN) package -DskipTests
	@touch $@

$(VENV)/.uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check uv==$(UV)
	@touch $@

# Training and its torch are not needed to serve, index and search; where the developers' environment is, it holds this one.
$(VENV)/.ops: requirements/ops.txt pyproject.toml | $(VENV)/.uv
	@if [ -e $(VENV)/.dev ]; then $(MAKE) $(VENV)/.dev; else \
	  $(BIN)/uv pip install -q --require-hashes -r requirements/ops.txt && $(BIN)/uv pip install -q --no-deps -e .; fi
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.uv
	$(BIN)/uv pip install -q --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install -q --no-deps -e .
	@touch $@ $(VENV)/.ops
