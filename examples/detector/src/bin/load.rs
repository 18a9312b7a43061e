//! A test load for the detector. It talks to loopback only, and keeps nothing of what it computes.

use clap::Parser;
use repower_example_detector::load::{self, Role};

/// A test load for the detector.
#[derive(Debug, Parser)]
#[command(name = "load")]
struct Asked {
    #[command(subcommand)]
    role: Role,
}

fn main() -> anyhow::Result<()> {
    load::run(&Asked::parse().role)
}
