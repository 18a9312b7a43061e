//! The file that a process runs.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use repower_agent_core::detect::ExecutableState;
use sha2::{Digest as _, Sha256};

use super::proc;

/// The largest file that is hashed.
const LARGEST: u64 = 512 << 20;

/// The most digests that are remembered.
const DIGESTS: usize = 1024;

/// Which plain file it is, and how it is: by this a digest is known again.
///
/// Who may write to a file can set the time of its content back, but not that of its last change of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    written: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// Of the file at a path, at the end of links; none if no plain file is there.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Self::read(&fs::metadata(path).ok()?)
    }

    /// Of what `metadata` describes; none if that is no plain file.
    pub(super) fn read(metadata: &Metadata) -> Option<Self> {
        metadata.is_file().then(|| Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            written: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// How long the file is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it is the same file, whatever has become of it.
    pub(super) fn is_of_same(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }

    /// Whether nobody has written to the file meanwhile. It may have another name or owner.
    pub(super) fn has_same_content(&self, other: &Self) -> bool {
        self.is_of_same(other) && (self.bytes, self.written) == (other.bytes, other.written)
    }
}

/// Digests of executables, each computed once.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    known: BTreeMap<Stamp, [u8; 32]>,
}

impl Digests {
    /// SHA-256 of what a process runs; none if it is gone, unreadable or larger than 512 MiB.
    pub(super) fn of(&mut self, process: u32) -> Option<[u8; 32]> {
        self.at(&proc::path(process, "exe")).map(|(_, digest)| digest)
    }

    /// SHA-256 of the plain file at a path, and which file that is; none as above.
    pub(super) fn at(&mut self, path: &Path) -> Option<(Stamp, [u8; 32])> {
        let stamp = Stamp::of(path)?;
        if let Some(digest) = self.known(&stamp) {
            return Some((stamp, digest));
        }
        let (stamp, digest) = read(path)?;
        self.learn(stamp, digest);
        Some((stamp, digest))
    }

    /// The digest of a file, if it is known.
    pub(crate) fn known(&self, stamp: &Stamp) -> Option<[u8; 32]> {
        self.known.get(stamp).copied()
    }

    /// Remembers a digest.
    pub(crate) fn learn(&mut self, stamp: Stamp, digest: [u8; 32]) {
        if self.known.len() >= DIGESTS {
            self.known.clear();
        }
        self.known.insert(stamp, digest);
    }
}

/// Reads a plain file to its end: which one it is, and its SHA-256. None if it is not there, unreadable, larger than
/// 512 MiB, or written to meanwhile.
pub(crate) fn read(path: &Path) -> Option<(Stamp, [u8; 32])> {
    // What is opened may be no plain file any more; a pipe would wait for who writes to it.
    let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    let stamp = stamp_of(&file).filter(|stamp| stamp.bytes <= LARGEST)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    let mut left = LARGEST;
    while left > 0 {
        let count = file.read(&mut buffer).ok()?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        left = left.saturating_sub(count as u64);
    }
    let after = stamp_of(&file)?;
    stamp.has_same_content(&after).then(|| (stamp, hasher.finalize().into()))
}

fn stamp_of(file: &File) -> Option<Stamp> {
    Stamp::read(&file.metadata().ok()?)
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn digest(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    #[test]
    fn a_digest_is_computed_once_and_again_after_any_change_though_its_time_was_set_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("program");
        let mut digests = Digests::default();
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let write = |text: &[u8]| {
            // A file of its own, as far as its stamp tells, also where times are counted in ticks.
            let before = Stamp::of(&path);
            loop {
                fs::write(&path, text).unwrap();
                File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
                if Stamp::of(&path) != before {
                    return;
                }
            }
        };

        write(b"one");
        let (stamp, first) = digests.at(&path).unwrap();
        digests.learn(stamp, [7; 32]);
        let again = digests.at(&path).unwrap();
        write(b"two");
        let (other, second) = digests.at(&path).unwrap();

        assert_eq!(first, digest(b"one"));
        assert_eq!(again, (stamp, [7; 32]), "it was not read again");
        assert_eq!(second, digest(b"two"));
        assert!(stamp.is_of_same(&other) && stamp.has_same_content(&other), "the times were kept");
    }

    #[test]
    fn what_is_no_plain_file_has_no_digest_and_nobody_waits_for_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let pipe = folder.path().join("pipe");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let mut digests = Digests::default();

        assert_eq!(digests.at(&pipe), None);
        assert_eq!(read(&pipe), None);
        assert_eq!(digests.at(folder.path()), None);
        assert_eq!(digests.at(&folder.path().join("nothing")), None);
    }
}
