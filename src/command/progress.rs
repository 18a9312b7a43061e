//! `repower progress`: a task says how far it is. It writes to a file that every task has, and needs neither a
//! scheduler nor a profile.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use repower_model::{Claim, ClaimError, Count, Fraction, check_unit};
use rustix::fs::{Mode, OFlags};

use crate::failure::{Exit, Explain, Failure};

/// Options of `repower progress`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Where this program is not to be had, as in most containers:\n  \
                        echo \"0.42 step=1200\" > \"$REPOWER_PROGRESS\"\n\
                        What is said is shown as a claim; docs/progress.md has the rest.")]
pub struct Progress {
    /// How much of all its work is done: 0.42, 42%
    #[arg(value_name = "FRACTION", value_parser = fraction, required_unless_present = "value")]
    fraction: Option<Fraction>,
    /// How many steps, or whatever it counts, are done
    #[arg(long, value_name = "NUMBER")]
    value: Option<u64>,
    /// How many there are in all
    #[arg(long, value_name = "NUMBER", requires = "value")]
    of: Option<u64>,
    /// What it counts: letters, digits, - and _, at most 16
    #[arg(long, value_name = "NAME", default_value = "step", value_parser = unit, requires = "value")]
    unit: String,
    /// The file that is read, which every task is told
    #[arg(long, value_name = "FILE", env = "REPOWER_PROGRESS", hide_env_values = true)]
    file: Option<PathBuf>,
}

/// Nothing was said.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unsaid {
    /// This process is no task.
    #[error("this is not a task of Repower: the variable REPOWER_PROGRESS is not set")]
    Outside,
    /// No task could say so.
    #[error("that is no progress")]
    NoClaim {
        /// Why.
        source: ClaimError,
    },
    /// What is there is something else.
    #[error("{} is not a regular file", path.display())]
    Kind {
        /// Where.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write to {}", path.display())]
    Unwritten {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Explain for Unsaid {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Outside => "use it in what a job runs; there the variable is set",
            Self::NoClaim { .. } => "`repower progress --help` says what can be said",
            Self::Kind { .. } => "remove it: the task's own folder is its place",
            Self::Unwritten { .. } => "check the folder and the disk; the task can go on without",
        };
        Some(hint.to_owned())
    }
}

impl Progress {
    /// Says it. Whoever reads it does so in its own time.
    pub(super) fn run(self) -> Result<Exit, Failure> {
        let Self { fraction: done, value, of: total, unit, file } = self;
        let count = value.map(|value| Count { unit, value, total });
        if let Some(count) = &count {
            count.check().map_err(|source| Unsaid::NoClaim { source })?;
        }
        let path = file.ok_or(Unsaid::Outside)?;
        write(&path, &Claim { done, count })?;
        Ok(Exit::OK)
    }
}

/// Puts a claim in the place of what was said before. Never waits, whatever the file is.
fn write(path: &Path, claim: &Claim) -> Result<(), Unsaid> {
    let unwritten = |source: io::Error| Unsaid::Unwritten { path: path.to_owned(), source };
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::TRUNC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o644);
    let file = rustix::fs::open(path, flags, mode).map_err(|errno| unwritten(errno.into()))?;
    let mut file = File::from(file);
    if !file.metadata().map_err(unwritten)?.is_file() {
        return Err(Unsaid::Kind { path: path.to_owned() });
    }
    file.write_all(format!("{claim}\n").as_bytes()).map_err(unwritten)
}

fn fraction(text: &str) -> Result<Fraction, String> {
    text.parse().map_err(|error: ClaimError| {
        if matches!(error, ClaimError::Word { .. }) {
            "it is a number from 0 to 1, or a percentage".to_owned()
        } else {
            error.to_string()
        }
    })
}

fn unit(text: &str) -> Result<String, ClaimError> {
    check_unit(text).map(|()| text.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        progress: Progress,
    }

    /// What a command line leaves in the file.
    fn said(line: &str) -> Result<String, String> {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("said");
        let words = format!("progress {line} --file {}", path.display());
        let line = Line::try_parse_from(words.split_whitespace());
        let line = line.map_err(|error| error.to_string())?;
        line.progress.run().map_err(|failure| failure.because().join(", "))?;
        Ok(std::fs::read_to_string(path).unwrap())
    }

    #[test]
    fn a_command_line_becomes_a_line_that_is_read_as_it_was_meant() {
        assert_eq!(said("0.42").as_deref(), Ok("0.42\n"));
        assert_eq!(said("42% --value 1200").as_deref(), Ok("0.42 step=1200\n"));
        assert_eq!(said("0.42 --unit step --value 1200").as_deref(), Ok("0.42 step=1200\n"));
        let files = said("--value 3 --of 9 --unit files");
        assert_eq!(files.as_deref(), Ok("files=3/9\n"));
        assert!(Claim::read(files.unwrap().trim_end().as_bytes()).is_ok());
    }

    #[test]
    fn what_is_no_claim_is_refused_with_the_reason() {
        for (line, reason) in [
            ("", "required"),
            ("1.2", "above 1, which is all of the work"),
            ("half", "it is a number from 0 to 1, or a percentage"),
            ("0.5 --of 9", "--value"),
            ("0.5 --unit Step --value 1", "the unit of the count"),
            ("--value 9 --of 3", "the count of 9 is above its total of 3"),
            ("--value 1000000000000000", "a whole number of at most 15 digits"),
        ] {
            let refused = said(line).expect_err(line);
            assert!(refused.contains(reason), "{line}: {refused}");
        }
    }

    #[test]
    fn the_latest_takes_the_place_of_what_was_said_and_what_is_no_file_is_never_waited_for() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("said");
        let half = Claim { done: Fraction::from_ppm(500_000), count: None };
        std::fs::write(&path, "a much longer line that was there before\n").unwrap();

        write(&path, &half).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0.5\n");

        let fifo = folder.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, Mode::RWXU).unwrap();
        assert!(matches!(write(&fifo, &half), Err(Unsaid::Unwritten { .. })));
        assert!(matches!(write(Path::new("/dev/null"), &half), Err(Unsaid::Kind { .. })));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(write(&link, &half), Err(Unsaid::Unwritten { .. })));
    }

    #[test]
    fn outside_of_a_task_it_says_so() {
        let progress = Progress {
            fraction: Some(Fraction::ALL),
            value: None,
            of: None,
            unit: "step".into(),
            file: None,
        };

        let failure = progress.run().unwrap_err();

        assert!(failure.message().contains("REPOWER_PROGRESS is not set"), "{failure:?}");
        assert!(failure.hint().is_some());
    }
}
