//! An unprivileged user for each project, the same one for as long as the agent keeps its data.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The first user id that projects get; far above what systems give to people.
const FIRST: u32 = 200_000;

/// How many projects an agent keeps apart.
const MOST: u32 = 65_536;

/// Who a task runs as: user and group have the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// One that no project has: to try what those of projects can do.
    pub(super) const NOBODY: Self = Self { uid: FIRST + MOST, gid: FIRST + MOST };
}

/// Why a project has no user.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the list of users, {}, cannot be {verb}: check the agent's data folder", path.display())]
    File { verb: &'static str, path: PathBuf, source: io::Error },
    #[error("line {line} of {} is not a user id and a project: mend or remove the file while no task runs", path.display())]
    Malformed { line: usize, path: PathBuf },
    #[error(
        "the agent keeps {most} projects apart, and this would be one more: give it a new data folder"
    )]
    TooMany { most: u32 },
}

/// The users of all projects that have had a task here.
#[derive(Debug)]
pub(crate) struct Users {
    path: PathBuf,
    known: Mutex<BTreeMap<String, u32>>,
}

impl Users {
    /// Those that the file names; none if there is none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or understood: to number projects anew would give one project's
    /// files to another.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let known = match fs::read_to_string(path) {
            Ok(text) => {
                // An earlier agent may have left it open to all.
                hide(path).map_err(|source| Error::File {
                    verb: "hidden",
                    path: path.into(),
                    source,
                })?;
                read(&text, path)?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(source) => return Err(Error::File { verb: "read", path: path.into(), source }),
        };
        Ok(Self { path: path.into(), known: Mutex::new(known) })
    }

    /// The user of a project; a new one is written down before it is given out.
    ///
    /// # Errors
    ///
    /// If it cannot be written down, or there are too many.
    pub(crate) fn of(&self, project: &str) -> Result<User, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = known.get(project) {
            return Ok(User { uid: *uid, gid: *uid });
        }
        let uid = known.values().max().map_or(FIRST, |last| last + 1);
        if uid >= FIRST + MOST {
            return Err(Error::TooMany { most: MOST });
        }
        known.insert(project.to_owned(), uid);
        if let Err(source) = self.write(&known) {
            known.remove(project);
            return Err(Error::File { verb: "written", path: self.path.clone(), source });
        }
        Ok(User { uid, gid: uid })
    }

    /// Whole or not at all.
    fn write(&self, known: &BTreeMap<String, u32>) -> io::Result<()> {
        let lines: Vec<String> =
            known.iter().map(|(project, uid)| format!("{uid} {project}\n")).collect();
        let text = lines.concat();
        let fresh = self.path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&fresh)?;
        // One that was left has the mode that it had.
        hide(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, &self.path)
    }
}

/// Who the others are is nobody's business.
fn hide(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

fn read(text: &str, path: &Path) -> Result<BTreeMap<String, u32>, Error> {
    let lines = text.lines().enumerate();
    let entries = lines.map(|(number, line)| {
        entry(line).ok_or_else(|| Error::Malformed { line: number + 1, path: path.into() })
    });
    entries.collect()
}

fn entry(line: &str) -> Option<(String, u32)> {
    let (uid, project) = line.split_once(' ')?;
    let uid = uid.parse().ok().filter(|uid| (FIRST..FIRST + MOST).contains(uid))?;
    Some((project.to_owned(), uid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_keeps_its_user_over_a_restart_and_shares_it_with_nobody() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("users");
        let users = Users::open(&path).unwrap();
        let (red, blue) = (users.of("red").unwrap(), users.of("blue").unwrap());
        assert_ne!(red, blue);
        assert!(red.uid >= FIRST && blue.uid >= FIRST);

        let again = Users::open(&path).unwrap();

        assert_eq!(again.of("blue").unwrap(), blue);
        assert_eq!(again.of("red").unwrap(), red);
        let green = again.of("green of the third floor").unwrap();
        assert!(green != red && green != blue);
        assert_eq!(Users::open(&path).unwrap().of("green of the third floor").unwrap(), green);
    }

    #[test]
    fn a_list_that_is_not_understood_is_an_error_and_no_new_numbering() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("users");
        for text in ["200000\n", "0 red\n", "x red\n", "200000 red\nnonsense\n"] {
            fs::write(&path, text).unwrap();

            assert!(matches!(Users::open(&path), Err(Error::Malformed { .. })), "{text:?}");
        }
    }
}
