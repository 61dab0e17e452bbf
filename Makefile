# The one door: `make` lists what there is. A target sets up what it needs by itself, inside this folder.
.DEFAULT_GOAL := help
.PHONY: help demo test test-rust test-python test-node test-kotlin test-swift test-interop test-residue test-valgrind test-asan \
	test-miri chaos check check-rust check-python check-node check-mobile bench bench-node fuzz fmt wheel npm jar docs bindings clean \
	release package-npm publish-crates test-windows release-check reproducible test-release check-release \
	audit setup-ci setup-release

PROFILE ?= release
SECONDS ?= 600
SEED ?= 7
N ?= 50000
OF ?= x86_64-unknown-linux-gnu
VENV := .venv
BIN := $(VENV)/bin
WHEEL_SOURCES := Cargo.toml Cargo.lock $(shell find core/src tls-psk/src key-provider/src doctor/src cli/src python -type f \
	\( -name '*.rs' -o -name '*.py' -o -name '*.pyi' -o -name '*.toml' -o -name '*.json' \) ! -path '*/tests/*' 2>/dev/null)
NPM_SOURCES := Cargo.toml Cargo.lock LICENSE-APACHE $(wildcard node/README.md node/*.json node/scripts/* \
	node/lib/*.ts node/lib/internal/* node/src/* node/bindgen/src/* core/src/*.rs core/src/schema/* \
	examples/validator-page/*)
RELEASE_TARGETS := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-unknown-linux-musl x86_64-pc-windows-gnu
PYTHON_CODE := $(wildcard python examples/python residue bench scripts fuzz/*.py bindings/tests)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/installed ## play the whole exchange on two development Key Providers: Python, then the command line
	$(BIN)/python scripts/demo.py
	$(BIN)/skip-client demo

test: test-rust test-python test-node test-kotlin test-swift test-residue ## every test of every language

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

test-interop: $(VENV)/installed ## other people's servers, with the table of pre-shared-key suites
	@scripts/need openssl nginx
	$(BIN)/pytest -rs python/tests/test_interop_psk.py python/tests/test_interop.py

test-windows: ## the client with both TLS libraries built along: what also runs where no OpenSSL and no nginx is
	@scripts/need cargo perl
	cargo test --locked -p skip-client --features psk-vendored

test-residue: $(VENV)/installed ## no copy of a key stays in memory: the table of stacks, languages and failures (Linux)
	@scripts/need cargo cc libssl openssl
	cargo build --locked --quiet --release -p skip-client-residue
	$(BIN)/pytest -rs -c python/pyproject.toml --rootdir residue residue

test-valgrind: ## the tests of pre-shared keys under valgrind, where C and unsafe code meet (slow)
	@scripts/need cargo cc libssl valgrind
	scripts/test-valgrind

test-asan: ## the tests with OpenSSL and aws-lc under AddressSanitizer and LeakSanitizer (nightly, Linux)
	@scripts/need cargo cc libssl
	scripts/test-asan

test-miri: ## the part of the core that has no I/O under Miri (nightly with miri; slow)
	@scripts/need cargo
	scripts/test-miri

chaos: ## N=50000 exchanges from SEED=7 through proxies that break connections, on each TLS stack; a tally
	@scripts/need cargo cc libssl
	CHAOS_SEED=$(SEED) CHAOS_N=$(N) cargo test --locked --release -p skip-key-provider --test chaos -- --nocapture

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
	$(BIN)/python bench/run.py --rust $(VENV)/bench/release/skip-client-bench $$(test -x $(VENV)/bench/go && echo --go $(VENV)/bench/go)

fuzz: ## hostile replies, patterns, key files, arguments: SECONDS=600 each (nightly, cargo-fuzz)
	@scripts/need cargo-fuzz
	python3 fuzz/seeds.py
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

docs: ## API documents of the Kotlin and Swift packages, in dist/
	@scripts/need cargo cc libssl perl javac mvn
	scripts/kotlin docs
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
package-%: $(VENV)/release-tools
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

test-release: ## the packages of dist/ in empty systems without a network: Debian 12, 13, sid, musl, aarch64 (root)
	@scripts/need cargo python3 node javac mvn mmdebstrap unshare
	python3 scripts/release/prove.py

clean: ## remove everything that was built here
	rm -rf target dist $(VENV) node/dist node/lib/generated node/node_modules node/test/.work \
		node/LICENSE-* bindings/kotlin/target bindings/kotlin/android/target \
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
