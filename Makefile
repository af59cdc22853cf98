# Every command of the project. `make` lists them.

export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/transect-target
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help run build ui test check fmt bench soak audit doc api clean

help: ## list these commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

run: ## build everything and open a demo: station on 127.0.0.1:8080, clips, a sign-in link
	@bash assets/demo/run.sh

build: ui ## release build of page, station and frame worker
	cargo build --release --locked --workspace --bins
	@echo "built: $(CARGO_TARGET_DIR)/release/transect"

ui: ui/web/node_modules/.package-lock.json ## build the page into ui/web/dist
	cd ui/web && npm run --silent build

ui/web/node_modules/.package-lock.json: ui/web/package-lock.json
	cd ui/web && npm ci --no-audit --no-fund
	@touch $@

test: ## build and run every test (installs what is missing; ends with `N passed, N failed`)
	@python3 tests/run.py

check: ui/web/node_modules/.package-lock.json ## formats, lints and documentation, as a change must leave them
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	RUSTDOCFLAGS="--deny warnings" cargo doc --workspace --no-deps --locked
	cd ui/web && npm run --silent check

fmt: ## format the Rust code
	cargo fmt --all

bench: ## measure the release build against its peers
	@python3 tests/run.py --bench

soak: ## kill the station 200 times while it writes, cut its power 40 times, look for what is lost; feed it 2,000 damaged files
	@python3 tests/run.py --soak

audit: ## licences, banned crates, sources, known vulnerabilities
	@command -v cargo-deny >/dev/null || { echo "cargo-deny is missing; install it with: cargo install --locked cargo-deny"; exit 1; }
	cargo deny --locked check licenses bans sources
	cargo deny --locked check advisories # fetches the list of known vulnerabilities

api: ## bring the page's API client up to date with the program
	cargo run --quiet --locked -p transect-server -- openapi > ui/web/src/api/schema.json
	cd ui/web && npm run --silent generate

doc: ## documentation of the code, for a browser
	cargo doc --workspace --no-deps --locked --open

clean: ## remove what was built (the demo and the test packages in the cache stay)
	cargo clean
	rm -rf ui/web/dist ui/web/node_modules tests/web/node_modules
