# Everything that a person or CI does with this repository, one target each. Needs cargo, python3, make and a C compiler.
# Invariant: no target leaves a process behind, except `up`, whose servers `down` stops.

SERVERS := python3 tests/env/servers.py
TARGET  := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)

.DEFAULT_GOAL := help
.PHONY: help build demo check test kit compose-check drill scale soak bench up down clean-env

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the program (target/debug/loginetl)
	@test -x '$(TARGET)/debug/loginetl' || echo 'compiling loginetl and 300 crates into $(TARGET) (once, two or three minutes) …' >&2
	cargo build --locked

demo: build ## the main job from end to end on a PostgreSQL and a LocalStack of its own
	@LOGINETL_BIN='$(TARGET)/debug/loginetl' $(SERVERS) run -- tests/env/demo.sh

check: ## format, lints and documentation, without servers
	cargo fmt --check
	cargo clippy --all-targets --locked -- -D warnings
	cargo clippy --test soak --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --locked

test: check ## all checks and tests, on a PostgreSQL and a LocalStack of their own
	$(SERVERS) run -- cargo test --locked

kit: ## run and prove what deploy/ and keys/ ship: image, compose, chart, rights, alerts, …
	cargo build --release --locked --bin loginetl
	@LOGINETL_BIN='$(TARGET)/release/loginetl' $(SERVERS) run -- python3 tests/kit/run.py

compose-check: ## run docker-compose.yml as it stands, by an engine of its own (root)
	cargo build --release --locked --bin loginetl
	@LOGINETL_BIN='$(TARGET)/release/loginetl' python3 tests/kit/run.py compose

drill: ## restore a backup to a point in time, and promote a standby under load
	cargo build --release --locked --bin loginetl
	@LOGINETL_BIN='$(TARGET)/release/loginetl' $(SERVERS) run -- python3 tests/kit/run.py drill standby

scale: ## mask 2,000,000 events on a Spark of its own, and compare with load (Java 17 or newer)
	cargo build --release --locked --bin loginetl
	@LOGINETL_BIN='$(TARGET)/release/loginetl' $(SERVERS) run -- python3 tests/scale/run.py

soak: ## what takes longer than a test may: many kills, many rows
	$(SERVERS) run -- cargo test --locked --test soak -- --nocapture

bench: ## measure, on a release build and a PostgreSQL with its default durability
	cargo build --release --locked --bins --examples
	@LOGINETL_BIN='$(TARGET)/release/loginetl' $(SERVERS) run --durable -- python3 tests/env/bench.py

up: ## start the servers of the demo, leave them running, and say what to type
	@LOGINETL_BIN='$(TARGET)/debug/loginetl' $(SERVERS) up

down: ## stop them and delete their data
	@$(SERVERS) down

clean-env: ## down, and delete the cache that holds the servers' programs
	@$(SERVERS) clean
