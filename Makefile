.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-source check bench fuzz fuzzlinks load observe dashboards conformance clean lock
VENV := .venv
PY := $(VENV)/bin/python
CONFIG ?= config/demo.toml
# Two files of tests at a time; `make test AT_ONCE=` for one.
AT_ONCE ?= -n 2 --dist loadfile
# Tests of what may be compiled (docs/decisions/0042), and those that put something else in its place: once more, on the sources.
# Not those that wait for PostgreSQL or a cluster, whose modules are compiled nowhere.
FROM_SOURCE := tests/codec tests/rules tests/model tests/security tests/ledger/test_ledger_sqlite.py \
	$(filter-out tests/state/test_cluster.py,$(wildcard tests/state/test_*.py)) \
	tests/test_native.py tests/test_pipeline.py tests/test_faults_tell_nothing.py
IS_COMPILED = $(PY) -c "from authsvc import native; raise SystemExit(not native.is_current())"

help:   ## list these targets
	@grep -hE '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*##/:/' | awk -F: '{ printf "  make %-12s %s\n", $$1, $$2 }'

$(VENV)/.installed: requirements.lock pyproject.toml
	python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.installed  ## create .venv from the hash-locked list, compile the way of a message
	@$(PY) -m authsvc.native.build || true  # where it cannot be built, the sources run

run: setup   ## start everything (Valkey, SQLite, engine, control API) with demo cards; Ctrl-C stops it
	@exec $(VENV)/bin/authsvc serve --config $(CONFIG) $(SET)

demo: setup   ## play a story against the running engine and explain each answer
	@$(PY) -m loadtest.story

# Compiled is what users run. Where there is no C compiler, there are only the sources, and they have the whole of it.
test: $(VENV)/.installed   ## the whole test suite on the compiled program, then the tests of what is compiled on its sources
	$(PY) -m authsvc.native.build
	@if $(IS_COMPILED); \
	then AUTHSVC_TESTS=built $(VENV)/bin/pytest $(AT_ONCE) && $(MAKE) --no-print-directory test-source; \
	else $(VENV)/bin/pytest $(AT_ONCE); fi

test-source: $(VENV)/.installed   ## tests of what may be compiled, on its sources
	$(VENV)/bin/pytest $(AT_ONCE) $(FROM_SOURCE)

check: $(VENV)/.installed   ## format, lint, types, import contracts, tests: all of it
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@$(MAKE) --no-print-directory test

bench: setup   ## measure every part beside its budget, then the whole system; python -m bench.growth is the long one
	$(VENV)/bin/pytest bench --benchmark-enable --benchmark-only
	$(PY) -m bench.system

fuzz: setup   ## a million odd messages at the codec, from the corpus in tests/data/fuzz; ten minutes
	@mkdir -p var/fuzz
	cd tests/codec && ../../$(PY) fuzz_codec.py -runs=1000000 -max_len=700 -artifact_prefix=../../var/fuzz/ ../../var/fuzz ../data/fuzz

fuzzlinks: setup   ## odd frames, half frames, TLS garbage at a running engine; MINUTES=60
	cd tests/end_to_end && PYTHONPATH=.. ../../$(PY) fuzz_server.py $(or $(MINUTES),60)

load: setup   ## a one-minute load story against the running engine; leaves var/load.json and var/load.html
	$(PY) -m loadtest --report var/load

observe: setup   ## a real Prometheus on loopback, with the alerts, against the running engine under load
	@$(PY) -m loadtest.observe

dashboards: setup   ## write the Grafana dashboards of config/grafana anew
	@$(PY) -m loadtest.observe.dashboards

conformance: setup   ## write docs/conformance.md: paragraph, rule, tests, products; fails when one has no test
	$(PY) tests/conformance.py

clean:   ## forget all data under var/
	rm -rf var

lock:   # write requirements.lock anew from pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
		--no-header --extra dev --output-file requirements.lock pyproject.toml
