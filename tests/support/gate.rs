//! Tasks that wait for the test, and say when they are there.

use std::fs;
use std::path::{Path, PathBuf};

/// A file that tasks wait for; they also go when its folder does.
pub(crate) struct Gate {
    folder: PathBuf,
}

impl Gate {
    pub(crate) fn new(folder: &Path, name: &str) -> Self {
        let folder = folder.join(name);
        fs::create_dir(&folder).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, folder.join("told"), 0o600.into()).unwrap();
        Self { folder }
    }

    /// A line of shell that waits until the gate is open.
    pub(crate) fn then(&self, line: &str) -> String {
        let folder = self.folder.display();
        format!("while [ -d {folder} ] && [ ! -e {folder}/open ]; do sleep 0.02; done; {line}")
    }

    /// The same, and says so before.
    pub(crate) fn told(&self, word: &str, line: &str) -> String {
        format!("echo {word} > {}/told & {}", self.folder.display(), self.then(line))
    }

    /// Waits until a task has said that it is there.
    pub(crate) fn wait_for(&self, word: &str) {
        let told = fs::read_to_string(self.folder.join("told")).unwrap();
        assert!(told.starts_with(word), "{told}");
    }

    pub(crate) fn open(&self) {
        fs::write(self.folder.join("open"), "").unwrap();
    }
}
