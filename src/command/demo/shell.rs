//! Commands of this program, as a person would type them.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::DemoError;
use super::tell::Teller;
use crate::failure::Failure;

/// A person at a prompt.
#[derive(Debug)]
pub(super) struct Shell {
    program: PathBuf,
    profile: PathBuf,
    folder: PathBuf,
    /// Who; empty: whoever has started the scheduler.
    name: &'static str,
}

/// What a command has printed, and how it ended.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl Shell {
    /// Whoever has started the scheduler, in a folder.
    pub(super) fn first(profile: PathBuf, folder: &Path) -> Result<Self, DemoError> {
        let program = std::env::current_exe().map_err(|source| DemoError::NoProgram { source })?;
        Ok(Self { program, profile, folder: folder.to_owned(), name: "" })
    }

    /// Another operator, with a token of their own.
    pub(super) async fn operator(&self, name: &'static str) -> Result<Self, DemoError> {
        let made = self.quietly(&["token", "user", name, "--operator"]).await?.good()?;
        let profile = self.folder.join(format!("{name}.toml"));
        write_secret(&profile, made.out.as_bytes())?;
        let (program, folder) = (self.program.clone(), self.folder.clone());
        Ok(Self { program, profile, folder, name })
    }

    /// Writes a file where commands run, and returns its name.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<String, DemoError> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)
            .map_err(|source| DemoError::NotWritten { path: path.clone(), source })?;
        Ok(name.to_owned())
    }

    /// Runs a command and shows it, but not what it prints.
    pub(super) async fn run(
        &self,
        teller: &mut Teller<'_>,
        arguments: &[&str],
    ) -> Result<Said, Failure> {
        let words = shlex::try_join(arguments.iter().copied()).unwrap_or_default();
        teller.command(self.name, &format!("repower {words}"))?;
        Ok(self.quietly(arguments).await?)
    }

    /// Runs a command.
    pub(super) async fn quietly(&self, arguments: &[&str]) -> Result<Said, DemoError> {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("REPOWER_PROFILE", &self.profile).current_dir(&self.folder);
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
        let output = output.map_err(|source| DemoError::NoProgram { source })?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        Ok(Said { code: output.status.code(), out, err })
    }
}

impl Said {
    /// The same, if it went well.
    pub(super) fn good(self) -> Result<Self, DemoError> {
        if self.code == Some(0) { Ok(self) } else { Err(self.otherwise("went wrong")) }
    }

    /// What must have been refused: the sentence that says so, if it has this code.
    pub(super) fn refused(self, code: &str) -> Result<String, DemoError> {
        let sentence = self.err.lines().find(|line| line.starts_with("error: "));
        match sentence {
            Some(sentence) if sentence.contains(&format!("[{code}]")) => Ok(sentence.to_owned()),
            _ => Err(self.otherwise(&format!("was not refused with {code}"))),
        }
    }

    fn otherwise(&self, how: &str) -> DemoError {
        let said = format!("{}\n{}", self.out, self.err);
        DemoError::Command { how: how.to_owned(), said: said.trim().to_owned() }
    }
}

fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    let written = opened.and_then(|mut file| file.write_all(bytes));
    written.map_err(|source| DemoError::NotWritten { path: path.to_owned(), source })
}
