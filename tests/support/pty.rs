//! The command line on a terminal.

use std::process::Command;

use super::cli::{Cli, Said};
use super::program;

/// Runs `repower` with these arguments on a terminal of so many columns, and returns what it shows there.
pub(crate) fn on_terminal(cli: &Cli, columns: u32, arguments: &[&str]) -> Said {
    let words: Vec<_> = arguments.iter().map(|word| format!("'{word}'")).collect();
    let line =
        format!("stty rows 24 cols {columns}; exec {} {}", program().display(), words.join(" "));
    // util-linux: `script` gives a command a terminal, and returns its code.
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    command.current_dir(&cli.folder).env("REPOWER_PROFILE", &cli.profile).env("TERM", "xterm");
    command.env_remove("REPOWER_SCHEDULER").env_remove("COLUMNS");
    Said::by(&mut command, b"")
}

/// The lines of what was shown, as a person sees them: without what colours them.
pub(crate) fn lines(said: &Said) -> Vec<String> {
    let mut plain = String::new();
    let mut letters = said.out.chars();
    while let Some(letter) = letters.next() {
        if letter == '\x1b' {
            // Up to the letter that ends the sequence.
            letters.by_ref().find(char::is_ascii_alphabetic);
        } else if letter != '\r' {
            plain.push(letter);
        }
    }
    plain.lines().map(str::to_owned).collect()
}
