# Python 3.11 or newer and its pip are enough: every target first makes the environment it runs in.
# Another Python beside the first: make test PYTHON=python3.13 VENV=.venv-3.13

PYTHON ?= python3
VENV ?= .venv
ARGS ?=

run := $(VENV)/bin/python -m
pip := --disable-pip-version-check --no-input install --quiet
uv = $(VENV)/bin/uv pip install --quiet --python
compile = $(VENV)/bin/uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --quiet

.DEFAULT_GOAL := help
.PHONY: help demo test lowest wheel check lint format types imports links blocks docs capabilities workflows soak peers bench bench-peers counterparts lock

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.ready ## run the example chatbot and its whole pipeline on this machine
	@$(run) examples.cv_chatbot.demo $(ARGS)

test: $(VENV)/.ready ## run the tests; ARGS="-k journal" goes to pytest
	@$(MAKE) --no-print-directory --quiet counterparts || test -z "$$CI" # without them, their tests are skipped
	@$(run) pytest $(ARGS)

lowest: $(VENV)/.dependencies ## run the tests with the oldest dependencies that pyproject.toml allows
	@$(VENV)/bin/uv venv --quiet --clear --python $(VENV)/bin/python build/lowest
	@$(uv) build/lowest --resolution lowest-direct --requirements pyproject.toml --all-extras --group test --group build
	@$(uv) build/lowest --no-deps --no-build-isolation --editable .
	@build/lowest/bin/python -m pytest --override-ini filterwarnings=default --ignore tests/examples --ignore tests/packaging tests $(ARGS)

wheel: $(VENV)/.dependencies ## run the tests against the wheel as it is installed, where there is no src/
	@rm -rf build/wheel && mkdir -p build/wheel/tree
	@$(run) hatchling build --target wheel --directory build/wheel
	@git ls-files -z --cached --others --exclude-standard -- ':!src' | tar --null -T - -cf - | tar -xf - -C build/wheel/tree
	@$(VENV)/bin/uv venv --quiet --python $(VENV)/bin/python build/wheel/env
	@$(uv) build/wheel/env --require-hashes --requirements requirements/dev.txt
	@$(uv) build/wheel/env --no-deps build/wheel/*.whl
	@cd build/wheel/tree && ../env/bin/python -m pytest --ignore tests/packaging $(ARGS)

check: lint format types imports links blocks docs workflows ## run every static check, and the blocks of the pages

lint: $(VENV)/.ready ## ruff's rules
	@$(run) ruff check

format: $(VENV)/.ready ## ruff's format, checked
	@$(run) ruff format --check

types: $(VENV)/.ready ## mypy, strict; and pyright for what users write
	@$(run) mypy
	@$(run) basedpyright

imports: $(VENV)/.ready ## who may import whom
	@$(VENV)/bin/lint-imports --no-logo

links: $(VENV)/.ready ## the relative links of the pages
	@$(run) tools.check_links

blocks: $(VENV)/.ready ## the code blocks of the pages, run
	@$(run) tools.check_blocks

docs: $(VENV)/.ready ## build the documentation into build/docs; a warning is an error
	@$(run) sphinx --fail-on-warning --keep-going --quiet --fresh-env --write-all docs build/docs

capabilities: $(VENV)/.ready counterparts ## what the adapters can do and which promises they keep, into the documentation
	@$(run) pytest --quiet tests/conformance backends/*/tests/*_conformance.py --ignore tests/conformance/test_saboteurs.py \
		-k "not (Moto and (Queue or DeadLetters or Shard))" --fireforget-report docs/_capabilities.md

workflows: $(VENV)/.ready ## zizmor: what the workflows may do, and what they trust
	@$(VENV)/bin/zizmor --offline --persona pedantic --quiet .github

soak: $(VENV)/.ready ## hurt a server 200 times, pile up 10,000,000 events, balance the books, into tests/faults/RESULTS.md
	@$(run) tests.faults.soak $(ARGS)

peers: build/peers/.ready ## what others deliver when the server ends, beside ours, into tests/faults/peers/RESULTS.md
	@build/peers/bin/python -m tests.faults.peers

bench: $(VENV)/.ready ## measure against what our own libraries cost, into benchmarks/RESULTS.md
	@$(run) benchmarks $(ARGS)

# FREE_THREADED names the Python of an environment of a free-threaded build that has what fireforget needs, as made by
# uv venv --python 3.14t build/free-threaded && uv pip install --python build/free-threaded --editable .
bench-peers: build/peers/.ready ## measure against other libraries, into benchmarks/PEERS.md; ARGS="--rounds 3 events" FREE_THREADED=python
	@build/peers/bin/python -m benchmarks.peers $(ARGS)

counterparts: build/ministack/.ready build/moto/.ready ## make what the tests of the clouds run against

lock: $(VENV)/.dependencies ## resolve the dependencies anew, into requirements/
	@$(compile) pyproject.toml --all-extras --group dev --output-file requirements/dev.txt >/dev/null
	@$(compile) pyproject.toml --extra report --group peers --output-file requirements/peers.txt >/dev/null
	@$(compile) --group ministack --output-file requirements/ministack.txt >/dev/null
	@$(compile) --group moto --output-file requirements/moto.txt >/dev/null

# The pip of $(PYTHON) fills the environment: a Python without ensurepip will do.
$(VENV)/.dependencies: requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
		"fireforget needs Python 3.11 or newer, and $(PYTHON) is %d.%d; name another: make PYTHON=python3.13" \
		% sys.version_info[:2])'
	@echo "Preparing $(VENV) (about a minute, once) ..." >&2
	@$(PYTHON) -m venv --without-pip $(VENV)
	@$(PYTHON) -m pip --python $(VENV)/bin/python $(pip) --require-hashes --requirement requirements/dev.txt
	@touch $@

$(VENV)/.ready: $(VENV)/.dependencies pyproject.toml
	@$(run) pip $(pip) --no-deps --no-build-isolation --editable .
	@touch $@

build/peers/.ready: requirements/peers.txt $(VENV)/.dependencies
	@$(VENV)/bin/uv venv --quiet --allow-existing --python $(VENV)/bin/python build/peers
	@$(uv) build/peers --require-hashes --requirements requirements/peers.txt
	@$(uv) build/peers --no-deps --no-build-isolation --editable .
	@touch $@

# Each pins what we use, too, so it lives by itself.
build/%/.ready: requirements/%.txt $(VENV)/.dependencies
	@echo "Preparing build/$* (once) ..." >&2
	@$(VENV)/bin/uv venv --quiet --allow-existing --python $(VENV)/bin/python build/$*
	@$(uv) build/$* --require-hashes --requirements $<
	@touch $@
