//! The client profile: the scheduler's address, the authority to trust, the token to show.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::failure::{Exit, Explain};
use crate::text::TomlError;

/// What a client needs to reach a scheduler; a TOML file only its owner can read.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Profile {
    /// Where the scheduler listens: `https://HOST:PORT`.
    pub scheduler: String,
    /// The certificate of its authority, in PEM: the only one that is trusted.
    pub authority: String,
    /// The secret that tells who is calling.
    pub token: String,
}

/// Why there is no profile to use.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// No file, neither named nor in its usual place.
    #[error("there is no client profile at {path}", path = path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There, but not readable.
    #[error("cannot read the client profile {path}", path = path.display())]
    Unreadable {
        /// Where it is.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not a profile.
    #[error("the client profile {path} is wrong", path = path.display())]
    Malformed {
        /// Where it is.
        path: PathBuf,
        /// What is wrong, and where in it.
        source: TomlError,
    },
    /// No home to look in.
    #[error("there is no home folder to look for a client profile in")]
    Homeless,
}

impl Explain for ProfileError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } | Self::Homeless => {
                "copy client.toml from the scheduler's data folder to that place, or name it with --profile".to_owned()
            }
            Self::Unreadable { .. } => "it must be readable for you; REPOWER_PROFILE or --profile names another".to_owned(),
            Self::Malformed { source, .. } => source.hint().unwrap_or_else(|| {
                "a profile has the keys scheduler, authority and token".to_owned()
            }),
        })
    }

    fn exit(&self) -> Exit {
        Exit::USAGE
    }
}

impl std::fmt::Debug for Profile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the token.
        out.debug_struct("Profile").field("scheduler", &self.scheduler).finish_non_exhaustive()
    }
}

/// A profile that was read, and whether others can read it too.
#[derive(Debug)]
pub struct Found {
    /// What it says.
    pub profile: Profile,
    /// Where it is.
    pub path: PathBuf,
    /// Whether its mode lets others read the token.
    pub exposed: bool,
}

impl Profile {
    /// Reads the profile at `named`, or else `repower/client.toml` in the folder for configuration.
    ///
    /// # Errors
    ///
    /// Any [`ProfileError`].
    pub fn find(named: Option<&Path>) -> Result<Found, ProfileError> {
        let path = match named {
            Some(path) => path.to_owned(),
            None => usual_place()?,
        };
        let text = fs::read_to_string(&path).map_err(|source| {
            let path = path.clone();
            if source.kind() == io::ErrorKind::NotFound {
                ProfileError::Missing { path }
            } else {
                ProfileError::Unreadable { path, source }
            }
        })?;
        let mode = fs::metadata(&path).map_or(0o600, |data| data.permissions().mode());
        let profile = Self::read(&path, &text)?;
        Ok(Found { profile, path, exposed: mode & 0o077 != 0 })
    }

    /// Reads the text of a profile; `path` is what errors call it.
    ///
    /// # Errors
    ///
    /// [`ProfileError::Malformed`] with line and column.
    pub fn read(path: &Path, text: &str) -> Result<Self, ProfileError> {
        toml::from_str(text).map_err(|error| ProfileError::Malformed {
            path: path.to_owned(),
            source: TomlError::new(text, &error),
        })
    }

    /// Returns the text of a file that says this profile.
    ///
    /// # Panics
    ///
    /// Never: three texts are always TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("three texts are always TOML")
    }
}

fn usual_place() -> Result<PathBuf, ProfileError> {
    let base = etcetera::choose_base_strategy().map_err(|_| ProfileError::Homeless)?;
    Ok(base.config_dir().join("repower").join("client.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Profile {
        Profile {
            scheduler: "https://127.0.0.1:7070".into(),
            authority: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".into(),
            token: "rp_secret".into(),
        }
    }

    #[test]
    fn a_profile_reads_back_as_it_was_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("client.toml");
        fs::write(&path, profile().to_toml()).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("set");

        let found = Profile::find(Some(&path)).expect("a profile");

        assert_eq!(found.profile, profile());
        assert!(!found.exposed);
    }

    #[test]
    fn a_profile_that_others_can_read_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("client.toml");
        fs::write(&path, profile().to_toml()).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");

        assert!(Profile::find(Some(&path)).expect("a profile").exposed);
    }

    #[test]
    fn a_wrong_profile_is_told_with_its_place_and_without_its_token() {
        let error =
            Profile::read(Path::new("client.toml"), "scheduler = \"x\"\ntokn = \"rp_secret\"\n")
                .expect_err("a misspelt key");

        assert_eq!(error.to_string(), "the client profile client.toml is wrong");
        assert_eq!(error.hint().as_deref(), Some("did you mean `token`?"));
        let failure = crate::failure::Failure::from(error);
        assert!(failure.because()[0].starts_with("line 2, column 1: unknown field `tokn`"));
        assert!(!format!("{failure:?}").contains("rp_secret"));
    }

    #[test]
    fn a_profile_does_not_print_its_token() {
        assert!(!format!("{:?}", profile()).contains("rp_secret"));
    }
}
