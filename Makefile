# The one door: `make` lists what there is. A target sets up what it needs by itself, inside this folder.
.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python test-node test-kotlin test-swift test-docs test-interop test-residue test-gateways \
	test-valgrind test-asan test-tsan test-miri chaos agent-faults agent-tunnels check check-rust check-python check-node check-mobile \
	bench bench-node bench-once fuzz fmt wheel npm jar docs docs-site docs-rust docs-node docs-kotlin docs-swift bindings clean \
	release package-npm publish-crates test-windows release-check reproducible test-release check-release audit setup-ci setup-release

PROFILE ?= release
SECONDS ?= 600
SEED ?= 7
N ?= 50000
FAULTS ?= 1000
ROTATIONS ?= 100
OF ?= x86_64-unknown-linux-gnu
# the OpenSSL in packages is built with what is used of it
export OPENSSL_SRC_PERL := $(CURDIR)/scripts/openssl-perl
VENV := .venv
BIN := $(VENV)/bin
WHEEL_SOURCES := Cargo.toml Cargo.lock $(shell find core/src crates/*/src python -type f \
	\( -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.json' \) ! -path '*/tests/*' 2>/dev/null)
NPM_SOURCES := Cargo.toml Cargo.lock LICENSE-APACHE $(wildcard node/README.md node/*.json node/scripts/* \
	node/lib/*.ts node/lib/internal/* node/src/* node/bindgen/src/* core/src/*.rs core/src/schema/* \
	examples/validator-page/*)
RELEASE_TARGETS := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl x86_64-pc-windows-gnu
PYTHON_CODE := $(wildcard python examples/python tests/residue tests/gateways tests/fuzz/*.py bench scripts bindings/tests docs/site/*.py)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed ## play the whole exchange on two development Key Providers: Python, then the command line
	$(BIN)/python scripts/demo.py
	$(BIN)/skip-client demo

# a short run of the gateways; the whole one is by hand
test: ROTATIONS := 10
test: FAULTS := 30
test: test-rust test-python test-node test-kotlin test-swift test-residue test-gateways test-docs ## every test of every language

test-rust: ## core, Key Provider, command line, examples, Rust blocks of the documents
	@scripts/need cargo cc libssl
	cargo test --locked

test-python: $(VENV)/installed ## the wheel as users get it, other servers, load, blocks of the documents
	@scripts/need openssl nginx
	$(BIN)/pytest -rs python/tests

test-kotlin: ## the JVM package, a project that uses it, the Android archive and example
	@scripts/need cargo cc libssl perl javac mvn python3
	scripts/kotlin test

test-swift: ## the Swift package, in the Swift of the PATH or of a Debian 13 that is made for it
	@scripts/need cargo cc libssl perl python3
	scripts/swift test

test-node: node/dist/packed $(VENV)/tools ## the npm package as users get it, the page in a browser, cross-checks
	@scripts/need cargo cc chromium
	cd node && npm test --silent

test-docs: $(VENV)/installed docs-node docs-site ## the site: links, names, and how it looks and searches in a browser
	@scripts/need chromium
	$(BIN)/pytest -rs -c python/pyproject.toml --rootdir docs/site docs/site
	cd node && node --test --test-reporter=spec test/site/*.test.js

test-interop: $(VENV)/installed ## other people's servers, with the table of pre-shared-key suites
	@scripts/need openssl nginx
	$(BIN)/pytest -rs python/tests/test_interop_psk.py python/tests/test_interop.py

test-windows: ## the client with both TLS libraries built along: what also runs where no OpenSSL and no nginx is
	@scripts/need cargo perl
	cargo test --locked -p skip-client --features psk-vendored

test-residue: $(VENV)/installed ## no copy of a key stays in memory: the table of stacks, languages and failures (Linux)
	@scripts/need cargo cc libssl openssl
	cargo build --locked --quiet --release -p skip-client-residue
	$(BIN)/pytest -rs -c python/pyproject.toml --rootdir tests/residue tests/residue

test-gateways: $(VENV)/installed ## real strongSwan and WireGuard gateways take keys: ROTATIONS=100 each, FAULTS=1000 (root)
	@scripts/need openssl gateways
	ROTATIONS=$(ROTATIONS) FAULTS=$(FAULTS) SEED=$(SEED) $(BIN)/pytest -rs --tb=short -c python/pyproject.toml --rootdir tests/gateways tests/gateways

test-valgrind: ## the tests of pre-shared keys under valgrind, where C and unsafe code meet (slow)
	@scripts/need cargo cc libssl valgrind
	scripts/test-valgrind

test-asan: ## the tests with OpenSSL and aws-lc under AddressSanitizer and LeakSanitizer (nightly, Linux)
	@scripts/need cargo cc libssl
	scripts/test-asan

test-tsan: ## what threads share, under ThreadSanitizer (nightly with rust-src, Linux)
	@scripts/need cargo cc libssl
	scripts/test-tsan

test-miri: ## the part of the core that has no I/O under Miri (nightly with miri; slow)
	@scripts/need cargo
	scripts/test-miri

chaos: ## N=50000 exchanges from SEED=7 through proxies that break connections, on each TLS stack; a tally
	@scripts/need cargo cc libssl
	CHAOS_SEED=$(SEED) CHAOS_N=$(N) cargo test --locked --release -p skip-key-provider --test chaos -- --nocapture

agent-faults: ## FAULTS=1000 faults from SEED=7 against two rotation agents, their Key Providers and gateways; a tally
	@scripts/need cargo cc libssl
	AGENT_SEED=$(SEED) AGENT_N=$(FAULTS) cargo test --locked --release -p skip-client-agent traffic_flows -- --nocapture

agent-tunnels: ## a full rotation of 1, 10, 100 and 1,000 tunnels: time, CPU, memory
	@scripts/need cargo cc libssl
	AGENT_TUNNELS=1000 cargo test --locked --release -p skip-client-agent all_tunnels_rotate -- --nocapture

check: check-rust check-python check-node check-mobile check-release ## formatters, linters, types, wasm purity, licences

check-rust:
	@scripts/need cargo cc libssl wasm32-unknown-unknown
	scripts/check-rust

check-python: $(VENV)/installed
	$(BIN)/ruff check $(PYTHON_CODE)
	$(BIN)/ruff format --check $(PYTHON_CODE)
	$(BIN)/mypy --strict --config-file python/pyproject.toml python/skip_client
	$(BIN)/stubtest --mypy-config-file python/pyproject.toml --allowlist python/stubtest-allowlist.txt skip_client

check-mobile:
	@scripts/need cargo cc libssl javac mvn
	scripts/generate-bindings --check
	scripts/kotlin check
	scripts/swift check

check-node: node/dist/packed
	cd node && npm run --silent check

check-release: ## one version everywhere, metadata of the packages, the files of GitHub Actions
	@scripts/need python3
	python3 scripts/check-versions.py $(TAG)
	scripts/lint-actions

audit: $(VENV)/release-tools ## known holes in what we use: cargo, npm, pip (needs the databases on the internet)
	scripts/audit

bench-node: node/dist/packed ## the npm package beside ajv, zod and schemasafe: speed, start, size
	cd node && node bench/bench.js

bench: $(VENV)/installed $(VENV)/peers ## side by side with peers and floors, into docs/performance.md (minutes)
	@scripts/need cargo cc libssl openssl nginx node npm
	cargo build --quiet --release --manifest-path bench/rust/Cargo.toml --target-dir $(VENV)/bench
	cd bench/node && npm ci --silent
	if command -v go >/dev/null; then cd bench/go && go build -o ../../$(VENV)/bench/go .; fi
	kotlin="$$(scripts/kotlin bench)" && swift="$$(scripts/swift bench)" && \
		$(BIN)/python bench/run.py --rust $(VENV)/bench/release/skip-client-bench --kotlin "$$kotlin" --swift "$$swift" \
		--go "$$(ls $(VENV)/bench/go 2>/dev/null)"

bench-once: $(VENV)/installed $(VENV)/peers ## how often a Key Provider sees one call of each client, into docs/compare.md
	@scripts/need openssl curl
	$(BIN)/python bench/once.py

fuzz: ## hostile replies, patterns, key files, arguments: SECONDS=600 each (nightly, cargo-fuzz)
	@scripts/need cargo-fuzz
	python3 tests/fuzz/seeds.py
	SECONDS_EACH=$(SECONDS) scripts/fuzz

fmt: $(VENV)/tools node/node_modules/installed ## format everything
	cargo fmt --all
	$(BIN)/ruff format $(PYTHON_CODE)
	cd node && npm run --silent fmt

bindings: ## generate again what UniFFI makes for Kotlin and Swift
	scripts/generate-bindings

jar: ## the JVM and Android packages, in dist/
	@scripts/need cargo cc libssl perl javac mvn python3
	scripts/kotlin jar

docs: docs-rust docs-node docs-kotlin docs-swift ## the documentation site with all references, in dist/docs (minutes)
	$(MAKE) --no-print-directory docs-site

docs-site: $(VENV)/docs docs/site/node_modules/installed ## the site with the references that were built (seconds)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs --quiet build --config-file docs/site/mkdocs.yml
	@echo "open dist/docs/index.html in a browser, from the disk or from a web server"

docs-rust: ## the reference of the crates, for the site
	@scripts/need cargo cc libssl
	scripts/docs-rust

docs-node: node/dist/packed docs/site/node_modules/installed ## the reference of the npm package, for the site
	cd docs/site && npm run --silent reference

docs-kotlin: ## the reference of the JVM package, for the site
	@scripts/need cargo cc libssl perl javac mvn
	scripts/kotlin docs

docs-swift: ## the reference of the Swift package, for the site
	@scripts/need cargo cc libssl perl python3
	scripts/swift docs

wheel: $(VENV)/wheel ## the Python package, in dist/
	@ls dist/*.whl

npm: node/dist/packed ## the npm package in dist/, and the page that checks messages in dist/validator-page
	@ls dist/skip-client-*.tgz

release: ## every package, sums, SBOMs and licences in dist/; the same commit gives the same bytes (about an hour)
	@scripts/need cargo cc libssl perl python3 node javac mvn dpkg-deb readelf mingw
	rm -rf dist $(VENV)/wheel $(VENV)/installed
	for target in $(RELEASE_TARGETS); do $(MAKE) package-$$target || exit 1; done
	$(MAKE) package-sdist package-npm package-jar package-swift package-crates
	$(MAKE) release-check

# The parts of `make release`, each by itself; package-TARGET: wheel, command line, .deb and native library of a target.
$(RELEASE_TARGETS:%=package-%) package-sdist package-jar package-swift package-crates: package-%: $(VENV)/release-tools
	scripts/release/build $*

package-npm:
	rm -f node/dist/packed
	$(MAKE) npm

publish-crates: ## uploads the crates, in the order in which they need each other (CARGO_REGISTRY_TOKEN)
	@scripts/need cargo python3
	cargo publish --locked $$(python3 scripts/release/artefacts.py | sed 's/^/--package=/')

release-check: $(VENV)/release-tools ## SBOMs and sums of what is in dist/, if nothing of this machine is in it
	scripts/release/build check

reproducible: $(VENV)/release-tools ## builds OF=x86_64-unknown-linux-gnu again in another folder and compares
	scripts/release/reproducible $(OF)

test-release: $(VENV)/release-tools ## the packages of dist/ in empty systems without a network: Debian 12, 13, sid, musl, aarch64 (root)
	@scripts/need cargo python3 node javac mvn curl mmdebstrap unshare musl-gcc
	$(BIN)/python scripts/release/prove.py

clean: ## remove everything that was built here
	rm -rf target dist $(VENV) node/dist node/lib/generated node/node_modules node/test/.work \
		node/LICENSE-* docs/site/node_modules bindings/kotlin/target bindings/kotlin/android/target \
		bindings/swift/.build

setup-ci: ## what a new Debian 12 machine lacks (needs root or sudo)
	scripts/setup-ci

setup-release: ## what make release and make test-release need of Debian (needs root or sudo)
	scripts/setup-release

# A stamp for each step, so that nothing is done twice: virtual environment and tools, wheel, wheel installed.
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

$(VENV)/wheel: $(VENV)/tools $(WHEEL_SOURCES)
	@scripts/need cargo cc perl
	rm -f dist/*.whl
	$(BIN)/maturin build --locked --profile $(PROFILE) --manifest-path python/Cargo.toml --out dist
	@touch $@

$(VENV)/installed: $(VENV)/wheel
	$(BIN)/python -m pip install --quiet --no-deps --force-reinstall dist/skip_client-*.whl
	@touch $@

$(VENV)/docs: $(VENV)/tools scripts/requirements-docs.txt
	$(BIN)/python -m pip install --quiet --requirement scripts/requirements-docs.txt
	@touch $@

docs/site/node_modules/installed: docs/site/package.json docs/site/package-lock.json
	@scripts/need node
	cd docs/site && npm ci --silent
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
