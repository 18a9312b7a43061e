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
pub mod report;
mod terminal;
mod text;

use std::ffi::OsString;
use std::process::ExitCode;

use arguments::Misread;
use failure::Exit;
use render::Screen;
use render::screen::{Colour, Form};

/// Runs the process: reads its arguments, carries the command out, tells what went wrong.
pub fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    let command = match arguments::read(&words) {
        Ok(arguments) => arguments.command,
        Err(error) => return misread(&words, &error),
    };
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

/// Tells what is wrong with the command line, in the form that it asks for; or prints help.
fn misread(words: &[OsString], error: &clap::Error) -> ExitCode {
    let Some(misread) = Misread::for_program(words, error) else { error.exit() };
    let mut screen = Screen::standard(Form::Json, false, Colour::Never);
    render::failure::tell(&mut screen, &misread.into());
    code(Exit::USAGE)
}

fn code(exit: Exit) -> ExitCode {
    ExitCode::from(exit.as_u8())
}
