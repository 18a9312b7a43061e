//! `stand-in [SECONDS] [--until FILE] [--result FILE]`: computes for so long, or until a file is there, and
//! says what it is and what it did.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it ends by the clock")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use repower_stand_in::StandIn;

/// Steps between two looks at the clock and for the file that ends it.
const STEPS: u64 = 20;

#[derive(Default)]
struct Asked {
    limit: Option<Duration>,
    /// Ends when this file is there.
    until: Option<PathBuf>,
    /// Writes how many steps were done into this file at the end.
    result: Option<PathBuf>,
}

impl Asked {
    fn read(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut asked = Self::default();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--until" => asked.until = Some(words.next()?.into()),
                "--result" => asked.result = Some(words.next()?.into()),
                seconds => asked.limit = Some(Duration::from_secs(seconds.parse().ok()?)),
            }
        }
        Some(asked)
    }

    fn is_enough(&self, begun: Instant) -> bool {
        self.limit.is_some_and(|limit| begun.elapsed() >= limit)
            || self.until.as_ref().is_some_and(|until| until.exists())
    }
}

fn main() -> ExitCode {
    let Some(asked) = Asked::read(std::env::args().skip(1)) else {
        eprintln!("usage: stand-in [SECONDS] [--until FILE] [--result FILE]");
        return ExitCode::from(2);
    };
    println!(
        "a stand-in: it changes the rounding mode as a RandomX miner does, and hashes nothing"
    );
    let begun = Instant::now();
    let mut load = StandIn::default();
    let (mut steps, mut last) = (0_u64, 0.0);
    while !asked.is_enough(begun) {
        for _ in 0..STEPS {
            last = load.step();
        }
        steps += STEPS;
    }
    println!("{steps} steps, the last gave {last}");
    if let Some(path) = &asked.result
        && let Err(error) = std::fs::write(path, format!("{steps}\n"))
    {
        eprintln!("cannot write {}: {error}", path.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
