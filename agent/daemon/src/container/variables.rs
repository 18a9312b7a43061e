//! How the variables of a task get into its container without standing on a command line.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::plan::Plan;

/// The longest value that stands in the file: engines read lines of 64 KiB.
const LONGEST: usize = 32 << 10;

/// Variables on their way into a container.
///
/// Engines read them from a file, one a line. A value of several lines, or a very long one, cannot stand there: it is
/// handed over in the environment of the engine itself, by its name, unless the engine needs that name.
#[derive(Debug)]
pub(super) struct Variables {
    file: PathBuf,
    lines: Vec<(OsString, OsString)>,
}

impl Variables {
    /// Writes the file.
    pub(super) fn write(plan: &Plan<'_>) -> io::Result<Self> {
        let (long, short): (Vec<_>, Vec<_>) = plan
            .variables
            .iter()
            .cloned()
            .partition(|(_, value)| value.len() > LONGEST || value.as_bytes().contains(&b'\n'));
        if let Some((name, _)) = long.iter().find(|(name, _)| is_the_engines(name)) {
            let text = format!(
                "in a container, {} cannot have more than one line or {LONGEST} bytes",
                name.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut text = Vec::new();
        for (name, value) in &short {
            text.extend_from_slice(name.as_bytes());
            text.push(b'=');
            text.extend_from_slice(value.as_bytes());
            text.push(b'\n');
        }
        let file = plan.scratch.join(format!("{}.env", plan.name));
        write_private(&file, &text)?;
        Ok(Self { file, lines: long })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Hands over what does not stand in the file.
    pub(super) fn hand_to(&self, command: &mut Command) {
        for (name, value) in &self.lines {
            command.arg("--env").arg(name).env(name, value);
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

/// Whether an engine looks at this variable itself.
fn is_the_engines(name: &OsStr) -> bool {
    let own = ["PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "LD_PRELOAD", "LD_LIBRARY_PATH"];
    let prefixes = [&b"CONTAINER"[..], b"DOCKER_", b"PODMAN_", b"STORAGE_"];
    own.iter().any(|known| name == *known)
        || prefixes.iter().any(|prefix| name.as_bytes().starts_with(prefix))
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text)
}
