//! The file that a process runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use repower_agent_core::detect::ExecutableState;
use sha2::{Digest as _, Sha256};

use super::proc;

/// The largest file that is hashed.
const LARGEST: u64 = 512 << 20;

/// The most digests that are remembered.
const DIGESTS: usize = 1024;

/// Device, inode, length and time of the last change.
type Identity = (u64, u64, u64, i64, i64);

/// Digests of executables, each computed once.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    known: BTreeMap<Identity, [u8; 32]>,
}

impl Digests {
    /// SHA-256 of what a process runs; none if it is gone, unreadable or larger than 512 MiB.
    pub(super) fn of(&mut self, process: u32) -> Option<[u8; 32]> {
        self.of_file(&proc::path(process, "exe"))
    }

    /// SHA-256 of a file; none if it is not there, no plain file, unreadable or larger than 512 MiB.
    pub(crate) fn of_file(&mut self, path: &Path) -> Option<[u8; 32]> {
        let data = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let file = File::open(path).ok()?;
        let identity = (data.dev(), data.ino(), data.len(), data.mtime(), data.mtime_nsec());
        if let Some(digest) = self.known.get(&identity) {
            return Some(*digest);
        }
        if data.len() > LARGEST {
            return None;
        }
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 128 << 10];
        let mut file = file.take(LARGEST);
        loop {
            match file.read(&mut buffer).ok()? {
                0 => break,
                count => hasher.update(&buffer[..count]),
            }
        }
        let digest: [u8; 32] = hasher.finalize().into();
        if self.known.len() >= DIGESTS {
            self.known.clear();
        }
        self.known.insert(identity, digest);
        Some(digest)
    }
}

/// What is wrong with the file that a process runs, as far as its name tells.
pub(super) fn state(process: u32) -> Option<ExecutableState> {
    let link = fs::read_link(proc::path(process, "exe")).ok()?;
    let name = link.as_os_str().as_bytes();
    if name.starts_with(b"/memfd:") {
        return Some(ExecutableState::InMemory);
    }
    // A file may be called so: then it is there.
    let is_deleted = name.ends_with(b" (deleted)")
        && fs::metadata(proc::path(process, "exe")).is_ok_and(|data| data.nlink() == 0);
    is_deleted.then_some(ExecutableState::Deleted)
}
