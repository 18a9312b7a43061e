//! The real proof-of-work function in its light mode, on random local input, as a load for the
//! detector. Its results are thrown away: there is no pool, no wallet and no network.

use clap::Parser;
use randomx_rs::{RandomXCache, RandomXFlag, RandomXVM};
use repower_example_detector::load::{self, Step};

/// The real proof-of-work function, as a load for the detector.
#[derive(Debug, Parser)]
#[command(name = "proof-load")]
struct Asked {
    /// Interprets instead of generating code.
    #[arg(long)]
    interpreted: bool,
    /// How many threads.
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Works so many percent of the time and sleeps the rest.
    #[arg(long, default_value_t = 100)]
    duty: u64,
}

fn main() {
    let asked = Asked::parse();
    let interpreted = asked.interpreted;
    load::many(move || randomx(interpreted), asked.threads, asked.duty, None);
}

/// One hash, by generated code or interpreted.
fn randomx(interpreted: bool) -> Step {
    let flags = if interpreted {
        RandomXFlag::FLAG_DEFAULT
    } else {
        RandomXFlag::get_recommended_flags() | RandomXFlag::FLAG_JIT
    };
    let cache = RandomXCache::new(flags, b"a test load of repower").expect("256 MiB are there");
    let machine = RandomXVM::new(flags, Some(cache), None).expect("a light machine can be made");
    let mut input = std::process::id().to_le_bytes().to_vec();
    Box::new(move || {
        input = machine.calculate_hash(&input).expect("the input is not empty");
        f64::from(input[0])
    })
}
