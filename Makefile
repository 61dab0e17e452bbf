# The entry point: `make` lists the targets. Each sets up what it needs, inside this directory. Less common tasks are
# scripts: CONTRIBUTING.md lists them.
.DEFAULT_GOAL := help
PARTS := $(addprefix test-,rust python node kotlin swift c go residue gateways docs)
.PHONY: help demo test $(PARTS) check check-rust check-python check-node check-mobile check-go chaos fuzz bench fmt wheel npm jar \
	docs docs-site release test-release audit setup installed clean

# the profile of builds for tests; packages for users are built with `release`
PROFILE ?= quick
SECONDS ?= 600
SEED ?= 7
N ?= 50000
export PROFILE
# the OpenSSL in packages is built with only the features that are used
export OPENSSL_SRC_PERL := $(CURDIR)/scripts/openssl-perl
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed-$(PROFILE)
WHEEL_SOURCES := Cargo.toml Cargo.lock $(shell find core/src crates/*/src python -type f \
	\( -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.json' \) ! -path '*/tests/*' 2>/dev/null)
NPM_SOURCES := Cargo.toml Cargo.lock LICENSE-APACHE $(wildcard node/README.md node/*.json node/scripts/* examples/validator-page/*) \
	$(shell find core/src node/lib node/src node/bindgen/src -type f ! -path 'node/lib/generated/*')
PYTHON_CODE := $(wildcard python examples/python tests/residue tests/gateways tests/vm tests/fuzz/*.py bench scripts bindings/tests bindings/c/tests docs/site/*.py)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo "  make test-PART     $(PARTS:test-%=%)"

# with the installed package; otherwise with an unoptimized build, which takes a third of the time
demo: $(or $(wildcard $(VENV)/installed-*),$(VENV)/installed-dev) ## run the whole exchange with two development Key Providers: Python, then the command line
	$(BIN)/python scripts/demo.py
	$(BIN)/skip-client demo

test: ## every test of every language that can run here; installs missing Debian packages (SETUP=0: none)
test $(PARTS):
	@scripts/need python3
	@scripts/test.py $@

check: check-rust check-python check-node check-mobile check-go ## formatters, linters, types, wasm purity, licences, versions
	@scripts/need python3
	python3 scripts/check-versions.py
	scripts/lint-actions

check-rust:
	@scripts/need cargo cc libssl wasm32-unknown-unknown
	scripts/check-rust

check-python: $(INSTALLED) python/tests/pyright/node_modules/installed
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/mypy --strict --config-file python/pyproject.toml python/skip_client python/tests/user_code.py
	python/tests/pyright/node_modules/.bin/pyright --project python/tests/pyright
	PATH="$(CURDIR)/$(BIN):$$PATH" python/tests/pyright/node_modules/.bin/pyright --ignoreexternal --verifytypes skip_client
	$(BIN)/stubtest --mypy-config-file python/pyproject.toml --allowlist python/stubtest-allowlist.txt skip_client

check-node: node/dist/packed
	cd node && npm run --silent check

check-go:
	@scripts/need go cargo cc libssl
	scripts/go check

check-mobile:
	@scripts/need cargo cc libssl javac mvn
	scripts/generate-bindings --check
	scripts/kotlin check
	scripts/swift check

chaos: ## N=50000 exchanges from SEED=7 through proxies that break connections, on each TLS stack; a tally
	@scripts/need cargo cc libssl
	CHAOS_SEED=$(SEED) CHAOS_N=$(N) cargo test --locked --release -p skip-key-provider --test chaos -- --nocapture

fuzz: ## hostile replies, patterns, key files, arguments: SECONDS=600 each (nightly, cargo-fuzz)
	@scripts/need cargo-fuzz
	python3 tests/fuzz/seeds.py
	SECONDS_EACH=$(SECONDS) scripts/fuzz

bench: ## benchmarks against other clients and bare TLS, into docs/performance.md (minutes)
	$(MAKE) --no-print-directory PROFILE=release installed $(VENV)/peers
	scripts/bench

fmt: $(VENV)/tools node/node_modules/installed ## format everything
	cargo fmt --all
	$(BIN)/ruff format $(PYTHON_CODE)
	cd node && npm run --silent fmt

wheel: $(VENV)/tools ## the Python package, in dist/
	@scripts/need cargo cc perl
	rm -f dist/*.whl
	$(BIN)/maturin build --locked --profile release --manifest-path python/Cargo.toml --out dist

npm: node/dist/packed ## the npm package in dist/, and the page that checks messages in dist/validator-page
	@ls dist/skip-client-*.tgz

jar: ## the JVM and Android packages, in dist/
	@scripts/need cargo cc perl javac mvn python3
	scripts/kotlin jar

docs: ## the documentation site with all references, in dist/docs (minutes)
	@scripts/need cargo cc libssl perl node javac mvn python3
	scripts/docs-rust
	scripts/docs-node
	scripts/kotlin docs
	scripts/swift docs
	$(MAKE) --no-print-directory docs-site

docs-site: $(VENV)/docs docs/site/node_modules/installed ## the site with the references that were built (seconds)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --config-file docs/site/mkdocs.yml
	@echo "open dist/docs/index.html in a browser, from the disk or from a web server"

release: $(VENV)/release-tools ## every package, checksums, SBOMs and licences in dist/, reproducibly (about an hour)
	@scripts/need cargo cc libssl perl python3 node javac mvn dpkg-deb readelf mingw
	rm -rf dist
	scripts/release/build all

test-release: $(VENV)/release-tools ## test the packages in dist/ on clean systems without a network: Debian 12, 13, sid, musl, aarch64 (root)
	@scripts/need cargo python3 node javac mvn curl mmdebstrap unshare musl-gcc
	$(BIN)/python scripts/release/prove.py

audit: $(VENV)/release-tools ## known vulnerabilities in dependencies: cargo, npm, pip (needs the databases on the internet)
	scripts/audit

setup: ## install the Debian packages that the tests need (root, or sudo without a password)
	scripts/setup

clean: ## remove everything that was built here
	rm -rf target dist $(VENV) node/dist node/lib/generated node/node_modules node/test/.work \
		node/LICENSE-* docs/site/node_modules bindings/kotlin/target bindings/kotlin/android/target \
		bindings/swift/.build

# Stamp files, so that nothing is done twice: virtual environment and tools, package installed.
$(VENV)/tools: scripts/requirements-dev.txt
	@scripts/need python3
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement scripts/requirements-dev.txt
	@touch $@

$(VENV)/release-tools: $(VENV)/tools scripts/requirements-release.txt
	$(BIN)/python -m pip install --quiet --requirement scripts/requirements-release.txt
	@touch $@

$(VENV)/peers: $(VENV)/tools bench/requirements.txt
	$(BIN)/python -m pip install --quiet --requirement bench/requirements.txt
	@touch $@

installed: $(INSTALLED) $(VENV)/psk

# it is compiled: without the headers, the tests that use it are skipped
$(VENV)/psk: $(VENV)/tools scripts/requirements-psk.txt
	@if scripts/need cc python-headers libssl 2>/dev/null; then \
		$(BIN)/python -m pip install --quiet --requirement scripts/requirements-psk.txt && touch $@; fi

# the package as packed for users, except for the optimization of the profile
$(VENV)/installed-%: $(VENV)/tools $(WHEEL_SOURCES)
	@scripts/need cargo cc perl
	rm -rf $(VENV)/wheel $(VENV)/installed-*
	$(BIN)/maturin build --locked --profile $* --manifest-path python/Cargo.toml --out $(VENV)/wheel
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall $(VENV)/wheel/skip_client-*.whl
	@touch $@

$(VENV)/docs: $(VENV)/tools scripts/requirements-docs.txt
	$(BIN)/python -m pip install --quiet --requirement scripts/requirements-docs.txt
	@touch $@

python/tests/pyright/node_modules/installed: python/tests/pyright/package.json python/tests/pyright/package-lock.json
	@scripts/need node
	cd python/tests/pyright && npm ci --silent
	@touch $@

docs/site/node_modules/installed: docs/site/package.json docs/site/package-lock.json
	@scripts/need node
	cd docs/site && npm ci --silent
	@touch $@

# third-party tools that the tests use with the package
node/test/ecosystem/node_modules/installed: node/test/ecosystem/package.json node/test/ecosystem/package-lock.json
	@scripts/need node
	cd node/test/ecosystem && npm ci --silent
	@touch $@

node/node_modules/installed: node/package.json node/package-lock.json
	@scripts/need node
	cd node && npm ci --silent
	@touch $@

node/dist/packed: node/node_modules/installed $(NPM_SOURCES)
	@scripts/need cargo cc wasm32-unknown-unknown
	cd node && npm run --silent build
	cp LICENSE-APACHE LICENSE-MIT node/
	rm -rf dist/skip-client-*.tgz dist/validator-page && mkdir -p dist
	cd node && npm pack --silent --pack-destination ../dist && node scripts/page.js ../dist/validator-page
	@touch $@
