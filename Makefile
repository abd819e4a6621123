# The project's commands. Everything they need goes into .venv* in this folder.

# The first Python from 3.11 on; some on the path may not run. Or choose: make PYTHON=...
CANDIDATES := python3.14 python3.13 python3.12 python3.11 python3 python
PROBE := import ensurepip, sys; sys.exit(sys.version_info < (3, 11))
FIND = for p in $(CANDIDATES); do $$p -c '$(PROBE)' 2>/dev/null && echo $$p && break; done
PYTHON ?= $(or $(shell $(FIND)),$(error no Python >= 3.11 found; name one: make PYTHON=...))
WORKERS ?= 2
# Each worker takes one half in order, and then from the rest of the other: few set-ups twice, and nobody waits.
PARALLEL := -n $(WORKERS) --dist worksteal
BIN := .venv/bin
OLDEST := .venv-oldest
LLAMA := .venv-llama
ENGINES := .venv-engines
LIVE := .venv-live
PEERS := .venv-peers
# The tests that must pass with the oldest frameworks we claim, too.
OLDEST_TESTS := $(wildcard tests/langchain tests/llama_index) tests/test_cookbook.py
ENGINES_TESTS := tests/tables/test_tables_spark.py
LLAMA_TESTS := $(addprefix tests/llama_index/,test_matrix.py test_mixed.py) tests/langchain/test_pictures.py -k "anthropic or langchain or wrapper"

.PHONY: help test environments beside-spark lint page web postgresql chromium openjdk-17-jre-headless test-oldest test-llama test-engines demo serve live bench peers format catalog-diff clean

help:  ## What there is
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

test: web postgresql chromium openjdk-17-jre-headless environments beside-spark test-oldest  ## Lint, types, and all tests: what CI runs
	$(BIN)/pytest $(PARALLEL)

beside-spark: environments  # which keeps one processor busy for minutes: the other does what needs no more
	@$(MAKE) --no-print-directory --jobs=2 test-engines lint test-llama

environments: web  # two at a time: most of it is one processor's work
	@$(MAKE) --no-print-directory --jobs=2 .venv/.ready $(OLDEST)/.ready $(LLAMA)/.ready $(ENGINES)/.ready

# Debian's packages, for the tests of SQL, of the page and of Spark: installed by root in CI only; without them these tests
# are skipped, and fail in CI.
postgresql: PROGRAM = /usr/lib/postgresql/*/bin/initdb
chromium: PROGRAM = /usr/bin/chromium
openjdk-17-jre-headless: PROGRAM = /usr/bin/java
postgresql chromium openjdk-17-jre-headless:
	@if [ "$${CI:-}" = true ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && ! ls $(PROGRAM) >/dev/null 2>&1; then \
	  export DEBIAN_FRONTEND=noninteractive; \
	  install="timeout 240 apt-get -qq -o DPkg::Lock::Timeout=30 install -y --no-install-recommends $@"; \
	  { $$install || { timeout 60 apt-get -qq update && $$install; }; } >/dev/null 2>&1 </dev/null \
	  || echo "$@ could not be installed: its tests will fail"; fi

page: .venv/bin/python  ## The page of reports: web/ to src/impactree/web/
	$(BIN)/python web/build.py

web: .venv/bin/python  ## The page, its lint, types and unit tests
	$(BIN)/python web/build.py --check

lint: .venv/.ready  ## Ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/mypy -p benchmarks

format: .venv/.ready  ## Fix what ruff can fix
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-oldest: $(OLDEST)/.ready  ## The adapters' tests with the oldest frameworks we claim
	$(OLDEST)/bin/pytest $(PARALLEL) $(OLDEST_TESTS)

test-llama: $(LLAMA)/.ready  ## The LlamaIndex clients that do not fit beside the rest
	$(LLAMA)/bin/pytest $(PARALLEL) $(LLAMA_TESTS)

test-engines: $(ENGINES)/.ready postgresql openjdk-17-jre-headless  ## Tables of calls on Spark and others, where DuckDB is not
	$(ENGINES)/bin/pytest $(ENGINES_TESTS)

demo: .venv/.demo  ## An agent offline, and what its steps cost (REAL=1: asks OpenAI, costs money)
	$(BIN)/python cookbook/agent.py $(if $(REAL),--real)

serve: .venv/.serve page  ## The page and the REST API at http://127.0.0.1:8080
	$(BIN)/impactree serve --open

live: .venv/.live $(LIVE)/.ready  ## The same agent and a LlamaIndex query on real models on this machine (first: ~13 min)
	$(BIN)/python cookbook/live.py --venv $(LIVE)

bench: .venv/.bench  ## Speed and memory against peers (a few minutes)
	$(BIN)/python -m benchmarks

peers: $(PEERS)/.ready  ## The frameworks' own tests with our handler on everything, and without: what differs (~15 min)
	$(PEERS)/bin/python -m benchmarks.peers

catalog-diff: .venv/.ready  ## For maintainers: what newer catalogs know and data/ does not
	$(BIN)/python data/scripts/catalog_diff.py

clean:  ## Remove the environments and caches
	rm -rf web/node_modules .venv $(OLDEST) $(LLAMA) $(ENGINES) $(LIVE) $(PEERS) .mypy_cache .pytest_cache .ruff_cache .hypothesis

# Environments. What goes into them is in pyproject.toml; --group needs pip 25.1.

PIP = $(@D)/bin/python -m pip --quiet --disable-pip-version-check install

.PRECIOUS: %/bin/python
.DELETE_ON_ERROR:

%/bin/python:
	$(PYTHON) -m venv $*

.venv/.demo: .venv/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[langchain]" --group demo
	@touch $@

.venv/.live: .venv/.demo
	$(PIP) --editable ".[langchain,measure]"
	@touch $@

.venv/.ready: .venv/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[all]" --group lint --group test
	@touch $(@D)/.demo $(@D)/.live $@

.venv/.serve: .venv/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[serve,sql]"
	@touch $@

.venv/.bench: .venv/.ready
	$(PIP) --group bench
	@touch $@

$(PEERS)/.ready: $(PEERS)/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[langchain]" --group peers
	@touch $@

$(OLDEST)/.ready: $(OLDEST)/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[all]" --group oldest
	@touch $@

$(LLAMA)/.ready: $(LLAMA)/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[llama-index]" --group llama-more
	@touch $@

$(ENGINES)/.ready: $(ENGINES)/bin/python pyproject.toml
	$(PIP) --upgrade "pip>=25.1"
	$(PIP) --editable ".[spark,sql]" --group engines
	@touch $@

# Not quiet: the server is built from source (without its own tests, and not all files at once), and torch is large.
$(LIVE)/.ready: export LLAMA_CPP_BUILD_JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
$(LIVE)/.ready: export CMAKE_ARGS ?= -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF
$(LIVE)/.ready: $(LIVE)/bin/python
	$(PIP) --upgrade "pip>=25.1"
	$< -m pip install --editable ".[llama-index,measure]" --group live
	@touch $@
