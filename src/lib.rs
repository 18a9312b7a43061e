//! The command line of Repower: what may be typed, what is sent, what is shown.
//!
//! A library beside the binary, so that tests and fuzzers reach the parsers in [`jobfile`]. It
//! decides nothing about jobs: that is the scheduler's, and what it refuses is shown in its words.

pub mod arguments;
pub mod client;
mod clock;
pub mod cluster;
pub mod command;
pub mod failure;
pub mod jobfile;
pub mod render;
mod text;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;
use failure::Exit;

/// Runs the process: reads its arguments, carries the command out, tells what went wrong.
pub fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let mut screen = command.screen();
    let ended = command.run(&mut screen).and_then(|exit| {
        screen.flush()?;
        Ok(exit)
    });
    let exit = ended.unwrap_or_else(|failure| {
        if !failure.is_hang_up() {
            render::failure::tell(&mut screen, &failure);
        }
        failure.exit()
    });
    code(exit)
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.as_u8())
}
