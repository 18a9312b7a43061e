# What people and CI type. Everything runs from a fresh clone with a Rust toolchain.
.PHONY: test check docs cluster soak bench fuzz

CARGO ?= cargo

# Installs what the tests need, then runs them all.
test: ; tests/run

# The quick part: format, lints, docs, unit tests.
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) test --workspace --quiet

# Long: random worlds, and clusters of real processes that are killed again and again.
SEEDS ?= 5000
ROUNDS ?= 10
soak:
	$(CARGO) run --release -p repower-sim --bin soak -- --seeds $(SEEDS)
	REPOWER_KILL_ROUNDS=$(ROUNDS) $(CARGO) test --release --test kill -- --nocapture

# The figures of docs/benchmarks.md.
bench:
	$(CARGO) build --release
	target/release/repower bench dispatch
	target/release/repower bench dispatch --no-exec
	target/release/repower bench submit
	target/release/repower bench recover
	target/release/repower bench idle
