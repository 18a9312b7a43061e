//! Scripts: read here, shipped by content, so that the nodes need no copy.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// The largest script that is taken, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// How much of it is looked at to tell a program from a text.
const BINARY_WITHIN: usize = 4096;

/// A script and what it was called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The file's name, or `stdin`.
    pub name: String,
    /// Its text, which begins with `#!`.
    pub text: Vec<u8>,
}

/// Why something is not taken as a script.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// Nothing there.
    #[error("there is no script {path}", path = path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There, but not readable.
    #[error("cannot read the script {path}", path = path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder.
    #[error("{path} is a folder, not a script", path = path.display())]
    Folder {
        /// Where it is.
        path: PathBuf,
    },
    /// No text, or only blanks.
    #[error("the script {name} is empty")]
    Empty {
        /// What it is called.
        name: String,
    },
    /// A program rather than a text.
    #[error("{name} is not a script: it has a zero byte at {at}")]
    Binary {
        /// What it is called.
        name: String,
        /// Where the first zero byte is.
        at: usize,
    },
    /// More than is shipped.
    #[error("the script {name} is larger than {LARGEST} bytes, the most that is shipped")]
    TooLarge {
        /// What it is called.
        name: String,
    },
    /// Nothing says what runs it.
    #[error("the script {name} does not begin with `#!`")]
    NoInterpreter {
        /// What it is called.
        name: String,
    },
}

impl ScriptError {
    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { path } => format!(
                "to run a program that the nodes have, put it behind `--`: repower submit -- {}",
                path.display()
            ),
            Self::Unreadable { .. } => "check its permissions".to_owned(),
            Self::Folder { .. } => {
                "name a file in it, or run a program: repower submit -- PROGRAM".to_owned()
            }
            Self::Empty { .. } => "write at least `#!/bin/sh` and a command".to_owned(),
            Self::Binary { name, .. } => {
                format!(
                    "to run a program that the nodes have, put it behind `--`: repower submit -- ./{name}"
                )
            }
            Self::TooLarge { .. } => {
                "keep data in files that the nodes can reach, and the script small".to_owned()
            }
            Self::NoInterpreter { .. } => {
                "say what runs it in its first line, for example `#!/bin/sh`".to_owned()
            }
        }
    }
}

impl Script {
    /// Reads a script from a file.
    ///
    /// # Errors
    ///
    /// Any [`ScriptError`].
    pub fn open(path: &Path) -> Result<Self, ScriptError> {
        let unreadable = |source: io::Error| {
            let path = path.to_owned();
            if source.kind() == io::ErrorKind::NotFound {
                ScriptError::Missing { path }
            } else if source.kind() == io::ErrorKind::IsADirectory {
                ScriptError::Folder { path }
            } else {
                ScriptError::Unreadable { path, source }
            }
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let text = bounded(&mut file).map_err(unreadable)?;
        Self::check(name, text)
    }

    /// Reads a script from a stream, which is called `stdin`.
    ///
    /// # Errors
    ///
    /// Any [`ScriptError`] but those about paths.
    pub fn from_stream(stream: &mut impl Read) -> Result<Self, ScriptError> {
        let unreadable = |source| ScriptError::Unreadable { path: "-".into(), source };
        Self::check("stdin".to_owned(), bounded(stream).map_err(unreadable)?)
    }

    fn check(name: String, text: Vec<u8>) -> Result<Self, ScriptError> {
        if text.len() as u64 > LARGEST {
            return Err(ScriptError::TooLarge { name });
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(ScriptError::Empty { name });
        }
        if let Some(at) = text.iter().take(BINARY_WITHIN).position(|byte| *byte == 0) {
            return Err(ScriptError::Binary { name, at });
        }
        if !text.starts_with(b"#!") {
            return Err(ScriptError::NoInterpreter { name });
        }
        Ok(Self { name, text })
    }
}

fn bounded(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    stream.take(LARGEST + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &[u8]) -> String {
        Script::from_stream(&mut &text[..]).expect_err("a bad script").to_string()
    }

    #[test]
    fn a_script_is_taken_as_it_is() {
        let script =
            Script::from_stream(&mut &b"#!/bin/sh\necho \xff\n"[..]).expect("a good script");

        assert_eq!(script.name, "stdin");
        assert_eq!(script.text, b"#!/bin/sh\necho \xff\n");
    }

    #[test]
    fn what_is_not_a_script_is_refused_with_the_reason() {
        assert_eq!(error(b""), "the script stdin is empty");
        assert_eq!(error(b" \n\n"), "the script stdin is empty");
        assert_eq!(
            error(b"\x7fELF\x02\x01\x01\0"),
            "stdin is not a script: it has a zero byte at 7"
        );
        assert_eq!(error(b"echo hello\n"), "the script stdin does not begin with `#!`");
        assert_eq!(
            error(&vec![b'#'; 1 + (1 << 20)]),
            "the script stdin is larger than 1048576 bytes, the most that is shipped"
        );
    }

    #[test]
    fn folders_and_missing_files_are_told_apart() {
        let folder = tempfile::tempdir().expect("a folder");

        let in_folder = Script::open(folder.path()).expect_err("a folder").to_string();
        let missing = Script::open(&folder.path().join("run.sh")).expect_err("nothing there");

        assert_eq!(in_folder, format!("{} is a folder, not a script", folder.path().display()));
        assert!(missing.hint().contains("behind `--`"), "{}", missing.hint());
    }
}
