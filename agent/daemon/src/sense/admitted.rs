//! What was admitted for a task, and whether it runs something else in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::executable::{Digests, Stamp};
use super::proc;

/// Where a task may connect to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Egress {
    /// Anywhere.
    #[default]
    Any,
    /// To these addresses and itself.
    Only(BTreeSet<IpAddr>),
}

/// What was admitted for a task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Admitted {
    /// Files that it was given.
    pub files: Files,
    /// Where it may connect to.
    pub egress: Egress,
}

/// Files that a task was given in a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Files {
    folder: PathBuf,
    /// SHA-256 by the path below the folder.
    digests: Arc<BTreeMap<PathBuf, [u8; 32]>>,
}

impl Egress {
    pub(super) fn allows(&self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::Only(list) => address.is_loopback() || list.contains(&address),
        }
    }
}

impl Files {
    /// Those with these digests, by the paths at which they were put below `folder`.
    pub fn new(folder: PathBuf, digests: Arc<BTreeMap<PathBuf, [u8; 32]>>) -> Self {
        Self { folder, digests }
    }

    /// Whether a process runs a file that stands where one of these was put, and that is another one by now.
    ///
    /// What it runs is known by its name, in which the folder is called whatever the process calls it, and by being
    /// the very file that stands there: so a box, a container and a link on the way to the folder change nothing, and
    /// a file that only has the same name somewhere else is none of these.
    pub(super) fn is_changed(&self, process: u32, digests: &mut Digests) -> bool {
        self.runs(process, digests).is_some_and(|(runs, admitted)| runs != admitted)
    }

    /// The digest of what a process runs, and of what was admitted in its place.
    fn runs(&self, process: u32, digests: &mut Digests) -> Option<([u8; 32], [u8; 32])> {
        if self.digests.is_empty() {
            return None;
        }
        let program = proc::path(process, "exe");
        let name = fs::read_link(&program).ok()?;
        let mut near = self.digests.iter().filter(|(path, _)| name.ends_with(path)).peekable();
        // Most processes run something else.
        near.peek()?;
        let stamp = Stamp::of(&program)?;
        let (_, admitted) = near.find(|(path, _)| self.is_at(path, &stamp))?;
        let (read, digest) = digests.at(&program)?;
        // Meanwhile it may have gone on to another program, or ended, and then the file may have been written to.
        let now = Stamp::of(&program)?;
        let is_still = [read, now].iter().all(|one| one.has_same_content(&stamp));
        is_still.then_some((digest, *admitted))
    }

    /// Whether a file stands at a path below the folder, itself and not by a link.
    fn is_at(&self, path: &Path, stamp: &Stamp) -> bool {
        let there = fs::symlink_metadata(self.folder.join(path)).ok();
        let there = there.and_then(|metadata| Stamp::read(&metadata));
        there.is_some_and(|there| there.is_of_same(stamp))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::process::{Child, Command};

    use sha2::{Digest as _, Sha256};
    use tempfile::TempDir;

    use super::*;

    /// A process that runs a program of this folder until it is dropped.
    struct Process(Child);

    impl Process {
        fn start(program: &Path) -> Self {
            Self(Command::new(program).arg("3600").spawn().unwrap())
        }

        fn id(&self) -> u32 {
            self.0.id()
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    /// Puts a program at a path. By another process: a file that this one has open for writing, and with it a child
    /// that some other test is just starting, could not be executed.
    fn put(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(Command::new("cp").arg("/bin/sleep").arg(path).status().unwrap().success());
    }

    fn files(folder: &Path, all: &[(&str, [u8; 32])]) -> Files {
        let digests = all.iter().map(|(path, digest)| (PathBuf::from(path), *digest)).collect();
        Files::new(folder.to_owned(), Arc::new(digests))
    }

    fn sleep() -> [u8; 32] {
        Sha256::digest(fs::read("/bin/sleep").unwrap()).into()
    }

    const OTHER: [u8; 32] = [7; 32];

    #[test]
    fn what_runs_in_the_place_of_an_input_is_compared_with_it() {
        let folder = TempDir::new().unwrap();
        put(&folder.path().join("bin/run"));
        let process = Process::start(&folder.path().join("bin/run"));
        let is_changed = |all: &[(&str, [u8; 32])]| {
            files(folder.path(), all).is_changed(process.id(), &mut Digests::default())
        };

        assert!(!is_changed(&[("bin/run", sleep())]), "it is what was admitted");
        assert!(is_changed(&[("bin/run", OTHER)]));
        assert!(is_changed(&[("run", sleep()), ("bin/run", OTHER)]), "by its whole path");
        assert!(!is_changed(&[("run", OTHER), ("bin/run", sleep())]), "by its whole path");
        assert!(!is_changed(&[("run", OTHER), ("bin", OTHER), ("other/run", OTHER)]));
        assert!(!is_changed(&[]));
    }

    #[test]
    fn a_file_of_the_same_name_somewhere_else_is_none_of_the_inputs() {
        let (folder, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for place in [&folder, &elsewhere] {
            put(&place.path().join("run"));
        }
        let (own, other) = (
            Process::start(&folder.path().join("run")),
            Process::start(&elsewhere.path().join("run")),
        );
        let given = files(folder.path(), &[("run", OTHER)]);

        assert!(given.is_changed(own.id(), &mut Digests::default()));
        assert!(!given.is_changed(other.id(), &mut Digests::default()));
    }

    #[test]
    fn a_link_on_the_way_to_the_folder_changes_nothing_and_one_in_the_place_of_an_input_is_none() {
        let (folder, ways) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let way = ways.path().join("way");
        symlink(folder.path(), &way).unwrap();
        put(&folder.path().join("run"));
        let process = Process::start(&way.join("run"));
        let given = files(&way, &[("run", OTHER)]);

        assert!(given.is_changed(process.id(), &mut Digests::default()));
        fs::rename(folder.path().join("run"), folder.path().join("kept")).unwrap();
        symlink("kept", folder.path().join("run")).unwrap();
        assert!(!given.is_changed(process.id(), &mut Digests::default()), "it is at another path");
    }

    #[test]
    fn a_program_that_was_deleted_or_is_gone_is_not_called_changed() {
        let folder = TempDir::new().unwrap();
        put(&folder.path().join("run"));
        let process = Process::start(&folder.path().join("run"));
        let (id, given) = (process.id(), files(folder.path(), &[("run", OTHER)]));

        fs::remove_file(folder.path().join("run")).unwrap();
        put(&folder.path().join("run"));

        assert!(!given.is_changed(id, &mut Digests::default()), "it runs the deleted one");
        drop(process);
        assert!(!given.is_changed(id, &mut Digests::default()));
    }
}
