#![no_main]

#[allow(dead_code, reason = "each target throws at one parser")]
#[path = "../../tests/support/parsers.rs"]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| parsers::trace(bytes));
