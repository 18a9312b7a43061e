# What people and CI type. Everything runs from a fresh clone with a Rust toolchain.
.PHONY: test test-cgroup2 test-yara check docs cluster soak bench fuzz detector-report

CARGO ?= cargo

# Installs what the tests need, then runs them all.
test: ; tests/run

# The agent's boxes under control groups 2, in a small virtual machine (qemu, two minutes without KVM).
test-cgroup2: ; tests/cgroup2

# Rules of YARA, which the usual build leaves out: ten minutes for the first time, because of a hundred libraries more.
test-yara:
	$(CARGO) clippy -p repower-admission --features yara --all-targets -- -D warnings
	$(CARGO) test -p repower-admission --features yara
	$(CARGO) test -p repower --features yara --test policy

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
	REPOWER_PLANNER_SEEDS=$(SEEDS) $(CARGO) test --release -p repower-core --test planner
	REPOWER_KILL_ROUNDS=$(ROUNDS) $(CARGO) test --release --test kill -- --nocapture
	REPOWER_PARSER_ROUNDS=$(ROUNDS) $(CARGO) test --release --test parsers

# The figures of docs/benchmarks.md.
bench:
	$(CARGO) build --release
	target/release/repower bench dispatch
	target/release/repower bench dispatch --no-exec
	target/release/repower bench dispatch --limits
	target/release/repower bench dispatch --no-groups
	target/release/repower bench spawn
	target/release/repower bench submit
	target/release/repower bench start
	target/release/repower bench recover
	target/release/repower bench idle
	target/release/repower bench files
	target/release/repower bench output
	target/release/repower bench plan

# Recall and false alarms of the detector, its cost, and a scan of this machine: docs/detector-report.md.
# Half an hour; DETECTOR="--help" says what can be asked for.
DETECTOR ?=
detector-report: ; examples/detector/report $(DETECTOR)

# Looks for inputs that break a parser, so many seconds for each. Takes a nightly compiler
# (`rustup toolchain install nightly`) and `cargo install cargo-fuzz`.
FUZZ_SECONDS ?= 60
fuzz:
	cd fuzz && for target in $$($(CARGO) +nightly fuzz list); do \
	  $(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=4096 || exit 1; \
	done
