//! The command line as a person uses it, and what it says.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::bounded;
use super::program;

/// What a command said, and how it ended.
pub(crate) struct Said {
    /// The exit code; 128 + the signal if one ended it.
    pub(crate) code: i32,
    /// Standard output, where every byte counts.
    pub(crate) bytes: Vec<u8>,
    /// Standard output as text.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(out, "exit code {}", self.code)?;
        for (name, text) in [("out", &self.out), ("err", &self.err)] {
            for line in text.lines().take(40) {
                writeln!(out, "{name} | {line:.300}")?;
            }
        }
        Ok(())
    }
}

impl Said {
    /// Runs a command to its end.
    pub(crate) fn by(command: &mut Command, input: &[u8]) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let output = bounded::output_with(command, input);
        let signal = || 128 + output.status.signal().expect("it exited or was killed");
        Self {
            code: output.status.code().unwrap_or_else(signal),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            bytes: output.stdout,
        }
    }

    /// Asserts that it did what it was asked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Asserts that it failed with this code, in the shape of all failures, with all these words in it.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        let label = |label: &str| self.err.lines().filter(|line| line.starts_with(label)).count();
        assert_eq!(label("error: "), 1, "one error: {self:?}");
        assert_eq!(label("hint: "), 1, "one hint: {self:?}");
        assert!(!self.err.contains("panicked"), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "`{word}` is not in {self:?}");
        }
        self
    }

    /// Standard output as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The command line, with a profile, in a folder.
#[derive(Debug, Clone)]
pub(crate) struct Cli {
    pub(crate) profile: PathBuf,
    pub(crate) folder: PathBuf,
}

impl Cli {
    /// Of a person with this profile, in this folder.
    pub(crate) fn new(profile: &Path, folder: &Path) -> Self {
        Self { profile: profile.into(), folder: folder.into() }
    }

    /// Of somebody without a scheduler.
    pub(crate) fn alone(folder: &Path) -> Self {
        Self::new(&folder.join("client.toml"), folder)
    }

    /// The command with these arguments, still to be run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(arguments).current_dir(&self.folder).env("REPOWER_PROFILE", &self.profile);
        command.env_remove("REPOWER_SCHEDULER").env_remove("NO_COLOR").env_remove("REPOWER_LOG");
        command
    }

    /// Runs `repower` with these arguments.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, b"")
    }

    /// Runs `repower` with these arguments, and something on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Said {
        Said::by(&mut self.command(arguments), input)
    }

    /// Runs `repower` with these arguments and `-o json`, and reads what it prints.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        // Before a `--`, behind which everything is the task's.
        let end = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
        let words = [&arguments[..end], &["-o", "json"], &arguments[end..]].concat();
        self.run(&words).ok().json()
    }

    /// Submits with these further arguments, and returns the number of the job.
    #[track_caller]
    pub(crate) fn submit(&self, arguments: &[&str]) -> String {
        let said = self.run(&[&["submit", "--class", "software-build", "-q"], arguments].concat());
        said.ok().out.trim().to_owned()
    }

    /// Why the last attempt of a job of one task was not started.
    #[track_caller]
    pub(crate) fn why_not_started(&self, job: &str) -> String {
        let shown = self.json(&["show", &format!("{job}.0")]);
        let last = shown["attempts"].as_array().unwrap().last().unwrap();
        assert_eq!(last["outcome"]["kind"], "not-started", "{last}");
        last["outcome"]["detail"].as_str().unwrap().to_owned()
    }

    /// Submits a line of shell with these further arguments, waits for its end, and returns how that was.
    pub(crate) fn wait_for(&self, arguments: &[&str], line: &str) -> Said {
        let submit = ["submit", "--class", "software-build", "--workdir", "fresh", "-q", "--wait"];
        self.run(&[&submit, arguments, &["--", "/bin/sh", "-c", line]].concat())
    }
}
