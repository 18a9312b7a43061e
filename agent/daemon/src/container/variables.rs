//! How the variables of a task get into its container without standing on a command line.
//!
//! Neither the engine nor anything that it loads may mistake them for its own: the engine is root, and they are a
//! stranger's.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::plan::Plan;

/// The longest value that stands in the file: engines read lines of 64 KiB.
const LONGEST: usize = 32 << 10;

/// Under such a name, with six digits behind it, goes what cannot stand in the file: name and value as one value. No
/// job may have a name like that, and the first process in the container, in `init/front.rs`, takes it off again.
const ALIAS: &str = "REPOWER_LONG_";

/// Variables on their way into a container.
///
/// Engines read them from a file, one a line. What cannot stand there (a value of several lines, a very long one, an
/// unusual name) is handed over in the environment of the engine itself, under a name of ours.
#[derive(Debug)]
pub(super) struct Variables {
    file: PathBuf,
    /// Names and values, each as the task finds it.
    others: Vec<OsString>,
}

impl Variables {
    /// Writes the file.
    pub(super) fn write(plan: &Plan<'_>) -> io::Result<Self> {
        let (mut text, mut others) = (Vec::new(), Vec::new());
        for (name, value) in &plan.variables {
            let mut both = name.clone();
            both.push("=");
            both.push(value);
            if is_plain(name, value) {
                text.extend_from_slice(both.as_bytes());
                text.push(b'\n');
            } else {
                others.push(both);
            }
        }
        let file = plan.scratch.join(format!("{}.env", plan.name));
        write_private(&file, &text)?;
        Ok(Self { file, others })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Hands over what does not stand in the file.
    pub(super) fn hand_to(&self, command: &mut Command) {
        for (number, both) in self.others.iter().enumerate() {
            let alias = format!("{ALIAS}{number:06}");
            command.arg("--env").arg(&alias).env(&alias, both);
        }
    }
}

impl Drop for Variables {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.file) {
            tracing::warn!(path = %self.file.display(), %error, "cannot remove a file of a container");
        }
    }
}

/// Whether every engine reads a line of this name and this value as what it is: some take a `#`, a `*`, quotes and blanks
/// for something else, and two lines for two variables.
fn is_plain(name: &OsStr, value: &OsStr) -> bool {
    let is_usual = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_printed = |byte: &u8| !byte.is_ascii_control();
    value.len() <= LONGEST
        && name.as_bytes().iter().all(is_usual)
        && value.as_bytes().iter().all(is_printed)
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::tests::plan;
    use super::*;

    #[test]
    fn no_variable_of_a_job_is_one_of_the_engine() {
        let scratch = tempfile::TempDir::new().unwrap();
        let long = "x".repeat(LONGEST + 1);
        let variables = [
            ("PLAIN", "a b=c # d"),
            ("LD_AUDIT", "/inputs/evil.so\n"),
            ("PATH", long.as_str()),
            ("ODD\nCONTAINER*", "value"),
            ("#COMMENT", "value"),
        ];
        let variables = variables.map(|(name, value)| (name.into(), value.into())).to_vec();
        let plan = Plan { variables, scratch: scratch.path(), ..plan() };

        let written = Variables::write(&plan).unwrap();
        let mut command = Command::new("podman");
        written.hand_to(&mut command);

        assert_eq!(fs::read_to_string(written.file()).unwrap(), "PLAIN=a b=c # d\n");
        let given: Vec<(&str, Option<&OsStr>)> =
            command.get_envs().map(|(name, value)| (name.to_str().unwrap(), value)).collect();
        let long = format!("PATH={long}");
        let expected = [
            ("REPOWER_LONG_000000", "LD_AUDIT=/inputs/evil.so\n"),
            ("REPOWER_LONG_000001", long.as_str()),
            ("REPOWER_LONG_000002", "ODD\nCONTAINER*=value"),
            ("REPOWER_LONG_000003", "#COMMENT=value"),
        ];
        assert_eq!(given, expected.map(|(name, value)| (name, Some(OsStr::new(value)))));
        assert!(command.get_args().all(|word| !word.as_bytes().contains(&b'=')));
    }
}
