//! `stand-in SECONDS`: computes for so long, and says what it is and what it did.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it ends by the clock")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use repower_stand_in::StandIn;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|text| text.parse().ok());
    let (Some(seconds), None) = (seconds, arguments.next()) else {
        eprintln!("usage: stand-in SECONDS");
        return ExitCode::from(2);
    };
    println!(
        "a stand-in: it changes the rounding mode as a RandomX miner does, and hashes nothing"
    );
    let (begun, limit) = (Instant::now(), Duration::from_secs(seconds));
    let mut load = StandIn::default();
    let (mut steps, mut last) = (0_u64, 0.0);
    while begun.elapsed() < limit {
        last = load.step();
        steps += 1;
    }
    println!("{steps} steps, the last gave {last}");
    ExitCode::SUCCESS
}
