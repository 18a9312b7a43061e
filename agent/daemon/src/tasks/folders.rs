//! Fresh folders for attempts.
//!
//! Most short tasks leave their folder as they found it. Such a folder is as good as new, so it is
//! given to the next task instead of being removed and made again.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::folder::{clear, clear_quickly, give};
use crate::sandbox::User;

/// Fresh folders for attempts.
#[derive(Debug)]
pub(super) struct Folders {
    root: PathBuf,
    next: u64,
    fresh: Vec<Folder>,
}

/// A folder that belongs to one attempt at a time.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// As it was when it was made.
    state: State,
    /// Whose it is, if not the agent's own.
    owner: Option<User>,
}

/// Changes when anything is made or removed in a folder, or when its mode or owner changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Where the next folder comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// It is there.
    Fresh(Folder),
    /// It has to be made.
    Make(PathBuf),
}

/// What becomes of a folder that was used.
#[derive(Debug)]
pub(super) enum Used {
    /// It is as good as new.
    Fresh(Folder),
    /// It is gone.
    Gone,
    /// There is more in it than can be removed in passing.
    Full(PathBuf),
}

/// How many folders that nobody can remove are put aside; one more, and there is no start.
const ASIDE: u32 = 100;

impl Folders {
    /// Clears `root` of what an earlier agent has left. What cannot be removed is put aside beside it, and tried again
    /// at the next start: no later task should wait for it.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let mut aside = (1..=ASIDE).map(|number| root.with_extension(format!("left-{number}")));
        for path in aside.clone() {
            if let Err(error) = clear(&path) {
                tracing::warn!(path = %path.display(), %error, "cannot remove what tasks have left");
            }
        }
        if let Err(error) = clear(root) {
            let free = aside.find(|path| path.symlink_metadata().is_err());
            let free = free.ok_or(error)?;
            tracing::warn!(path = %free.display(), "put aside what tasks have left");
            fs::rename(root, free)?;
        }
        make(root)?;
        Ok(Self { root: root.into(), next: 1, fresh: Vec::new() })
    }

    /// A folder for an attempt.
    pub(super) fn take(&mut self) -> Source {
        self.fresh.pop().map_or_else(
            || {
                let path = self.root.join(self.next.to_string());
                self.next += 1;
                Source::Make(path)
            },
            Source::Fresh,
        )
    }

    /// Keeps a folder that is as good as new.
    pub(super) fn keep(&mut self, folder: Folder) {
        self.fresh.push(folder);
    }
}

impl Source {
    /// The folder. Touches the disk only if it has to be made.
    pub(super) fn get(self) -> io::Result<Folder> {
        match self {
            Self::Fresh(folder) => Ok(folder),
            Self::Make(path) => {
                make(&path)?;
                let state = State::of(&path)?;
                Ok(Folder { path, state, owner: None })
            }
        }
    }
}

impl Folder {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes it the folder of another user, or of the agent's own.
    pub(super) fn give_to(&mut self, user: Option<User>) -> io::Result<()> {
        if user == self.owner {
            return Ok(());
        }
        let (uid, gid) = user.map_or_else(
            || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
            |user| (user.uid, user.gid),
        );
        give(&self.path, uid, gid)?;
        self.owner = user;
        self.state = State::of(&self.path)?;
        Ok(())
    }

    /// Keeps the folder if it is as good as new, and removes it if little is in it.
    pub(super) fn recycle(self) -> Used {
        // Where the kernel counts times in ticks, a quick task may be over in the tick in which its
        // folder was made.
        let is_as_new = State::of(&self.path).is_ok_and(|state| state == self.state);
        if is_as_new && is_empty(&self.path) {
            return Used::Fresh(self);
        }
        if clear_quickly(&self.path) { Used::Gone } else { Used::Full(self.path) }
    }
}

impl State {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

/// Whether there is nothing in a folder; one that cannot be read counts as not empty.
fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// Makes a folder that only this user can enter.
pub(super) fn make(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_again_only_if_nothing_was_made_or_changed_in_it() {
        let root = tempfile::TempDir::new().unwrap();
        let mut folders = Folders::new(&root.path().join("work")).unwrap();

        let untouched = folders.take().get().unwrap();
        let touched = folders.take().get().unwrap();
        let emptied = folders.take().get().unwrap();
        fs::write(touched.path().join("file"), "x").unwrap();
        fs::write(emptied.path().join("file"), "x").unwrap();
        fs::remove_file(emptied.path().join("file")).unwrap();

        let paths = [&touched, &emptied].map(|folder| folder.path().to_owned());
        assert!(matches!(untouched.recycle(), Used::Fresh(_)));
        assert!(matches!(touched.recycle(), Used::Gone));
        assert!(matches!(emptied.recycle(), Used::Gone));
        assert!(paths.iter().all(|path| !path.exists()));
    }

    #[test]
    fn a_folder_with_something_in_it_is_not_used_again_although_its_times_are_the_same() {
        let root = tempfile::TempDir::new().unwrap();
        let path = root.path().join("1");
        make(&path).unwrap();
        fs::write(path.join("file"), "x").unwrap();
        let folder = Folder { state: State::of(&path).unwrap(), path, owner: None };

        assert!(matches!(folder.recycle(), Used::Gone));
    }

    #[test]
    fn a_folder_with_much_in_it_is_left_to_who_has_the_time() {
        let root = tempfile::TempDir::new().unwrap();
        let mut folders = Folders::new(&root.path().join("work")).unwrap();
        let folder = folders.take().get().unwrap();
        let path = folder.path().to_owned();
        fs::create_dir_all(path.join("deep/er")).unwrap();

        assert!(matches!(folder.recycle(), Used::Full(full) if full == path));
        clear(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_an_earlier_agent_has_left_is_cleared() {
        let root = tempfile::TempDir::new().unwrap();
        fs::create_dir_all(root.path().join("work/7/deep")).unwrap();

        let mut folders = Folders::new(&root.path().join("work")).unwrap();

        let folder = folders.take().get().unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(root.path().join("work")).unwrap().count(), 1);
    }
}
