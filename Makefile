# Two commands on a fresh machine: `make run` and `make test`. Everything they fetch or write stays in .run and target.
SHELL := /bin/sh
RUST_VERSION := $(shell sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
TOOLS := $(CURDIR)/.run/tools
# cargo-deny 0.20.2, cargo-machete 0.9.2, typos-cli 1.52.0: the versions `check` was written for.
DENY_VERSION := 0.20.2
MACHETE_VERSION := 0.9.2
TYPOS_VERSION := 1.52.0
# Options for `keepsake up`, as in: make run ARGS="--http-port 9000 --no-demo"
ARGS :=

.PHONY: help run stop reset check test test-api planted samples bench toolchain tools
.DEFAULT_GOAL := help

help: ## List what can be made
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' Makefile

run: toolchain ## Build, start everything on this machine, show the demo; Ctrl-C stops it
	@echo "building keepsake (some minutes the first time)"
	@exec cargo run --locked --package keepsake-cli --bin keepsake -- up --with-parent $$PPID $(ARGS)

stop: toolchain ## Stop what `make run` started
	@exec cargo run --locked --quiet --package keepsake-cli --bin keepsake -- stop

reset: toolchain ## Stop, and delete all data (make reset ARGS=--all: fetched servers too)
	@exec cargo run --locked --quiet --package keepsake-cli --bin keepsake -- reset $(ARGS)

test: toolchain ## Run every test, on real servers
	@echo "building every binary and test (some minutes the first time)"
	@cargo build --workspace --bins --locked
	@echo "running the tests"
	@cargo test --workspace --locked --lib --bins --test evolution
	@cargo test --package keepsake-tests --locked --test system

test-api: toolchain ## Send a running system what its OpenAPI document allows and what it forbids (needs python3)
	@cargo build --workspace --bins --locked
	@exec tests/api/run $(ARGS)

planted: toolchain ## Plant one fault after the other in a copy of the tree: a named test must catch each
	@cargo build --package keepsake-cli --package keepsake-tests --bin keepsake --locked
	@tests/planted/run $(ARGS)

samples: toolchain ## Write down new messages as the log keeps them, the AsyncAPI and the OpenAPI document; rewrites no old message
	@KEEPSAKE_BLESS=1 cargo test --quiet --locked --package keepsake-proto --test evolution
	@KEEPSAKE_BLESS=1 cargo test --quiet --locked --package command-service --lib the_document_is_the_one_in_the_docs
	@cargo build --workspace --bins --locked
	@KEEPSAKE_BLESS=1 cargo test --quiet --locked --package keepsake-tests --test system the_merged_document_is_the_one_in_the_docs

bench: toolchain ## Measure the release build beside its limits (make bench ARGS="command.c64 load"; ARGS=--help)
	@echo "building the release (some minutes the first time)"
	@cargo build --release --locked --package keepsake-cli --bin keepsake
	@exec cargo bench --locked --package keepsake-tests --no-default-features --bench bench -- $(ARGS)

check: toolchain tools ## Format, lints, documentation, dependencies, spelling
	@echo "checking format";          cargo fmt --all -- --check
	@echo "checking dependencies";    $(call tool,cargo-deny) --locked check bans licenses sources
	@echo "checking advisories";      $(advisories)
	@echo "checking for unused dependencies"; $(call tool,cargo-machete)
	@echo "checking spelling";        $(call tool,typos)
	@echo "checking planted faults";  $(planted_fit)
	@echo "checking lints";           cargo clippy --workspace --all-targets --locked -- -D warnings
	@echo "checking what is released, without features"; cargo clippy --package keepsake-cli --package keepsake-runtime --locked -- -D warnings
	@echo "checking documentation";   RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

# A tool on PATH of the right version was linked into .run/tools/bin by `tools`, so there is one place to look.
tool = PATH="$(TOOLS)/bin:$$PATH" $(1)

# The database of advisories lies on the network: without it this check is left out, and says so.
advisories = if $(call tool,cargo-deny) --locked fetch db >/dev/null 2>&1; \
	then $(call tool,cargo-deny) --frozen check advisories; \
	else echo "  left out: the database of advisories cannot be fetched from here"; fi

# Each fault is a patch of lines that may have changed since; whether it is caught is for `make planted`.
planted_fit = if command -v git >/dev/null; \
	then for fault in tests/planted/*.patch; do git apply --check "$$fault" || exit 1; done; \
	else echo "  left out: git is not here"; fi

toolchain:
	@command -v cargo >/dev/null || { echo "cargo is not here: install Rust $(RUST_VERSION) from https://rustup.rs and try again" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "a C compiler is not here: install one (Debian: apt-get install -y gcc libc6-dev; macOS: xcode-select --install)" >&2; exit 1; }
	@found="$$(rustc --version 2>/dev/null | cut -d' ' -f2)"; \
	oldest="$$(printf '%s\n%s\n' "$(RUST_VERSION)" "$${found:-0}" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)"; \
	[ "$$oldest" = "$(RUST_VERSION)" ] || { echo "rustc is $${found:-not here}, and $(RUST_VERSION) is needed: run 'rustup toolchain install $(RUST_VERSION)'" >&2; exit 1; }

tools: toolchain
	@$(call install,cargo-deny,cargo-deny,$(DENY_VERSION))
	@$(call install,cargo-machete,cargo-machete,$(MACHETE_VERSION))
	@$(call install,typos-cli,typos,$(TYPOS_VERSION))

# $(1) crate, $(2) program, $(3) version: nothing to do when it is in .run/tools or on PATH at that version.
install = if ! PATH="$(TOOLS)/bin:$$PATH" $(2) --version 2>/dev/null | grep -qF "$(3)"; then \
	echo "installing $(1) $(3) into .run/tools (a minute, once)"; \
	CARGO_TARGET_DIR="$(TOOLS)/target" cargo install --debug --locked --quiet --root "$(TOOLS)" --version "$(3)" "$(1)"; fi
