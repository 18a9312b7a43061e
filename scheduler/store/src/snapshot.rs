//! Snapshots of the state, in files beside the ledger.
//!
//! A snapshot only saves replaying: whatever is wrong with one, an older one and the facts since give the same state.
//! They are files, not rows, so that writing many megabytes does not hold up a commit, and so that a damaged database
//! does not take them with it. A file is the header below and then the bytes as given:
//!
//! | bytes | what |
//! | --- | --- |
//! | 8 | `RPWRSNP1` |
//! | 4 | the format of the bytes, big-endian |
//! | 8 | how many facts are in it, big-endian |
//! | 32 | the leaf hash of the last of them, zeros if there is none: ties the snapshot to its ledger |
//! | 8 | how many bytes follow the header, big-endian |
//! | 32 | SHA-256 over all of the above and the bytes |

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::journal::{DamagedSnapshot, FoundSnapshot, ReadError, Snapshot};
use crate::merkle::Hash;
use crate::sqlite::Reader;

/// How many snapshots are kept.
pub const KEPT: usize = 2;
const MAGIC: &[u8; 8] = b"RPWRSNP1";
const HEADER: usize = 8 + 4 + 8 + 32 + 8 + 32;

/// What is wrong with a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// The file is shorter or longer than its header says.
    Length,
    /// The file does not begin like a snapshot of this number.
    Header,
    /// The bytes are not those that were written.
    Hash,
    /// It has facts that the ledger does not have.
    Ahead,
    /// It is of another ledger, or the ledger was changed.
    OtherLedger,
    /// It cannot be read.
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("its file is cut short or has too much in it"),
            Self::Header => f.write_str("its file does not begin like a snapshot of so many facts"),
            Self::Hash => f.write_str("its bytes were changed"),
            Self::Ahead => f.write_str("the ledger has fewer facts"),
            Self::OtherLedger => f.write_str("the ledger has another fact at its end"),
            Self::Unreadable(kind) => write!(f, "its file cannot be read ({kind})"),
        }
    }
}

/// A snapshot file could not be written or listed.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file failed.
    #[error("cannot write or list snapshots in {}", path.display())]
    Io {
        /// Which folder or file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A snapshot of facts that are not there would be of no use.
    #[error("the ledger has fewer than the {size} facts of the snapshot")]
    Ahead {
        /// How many facts are in the snapshot.
        size: u64,
    },
}

/// The snapshots of a ledger.
#[derive(Debug, Clone)]
pub struct Snapshots {
    folder: PathBuf,
    ledger: Reader,
}

impl Snapshots {
    /// The snapshots in a data folder, for the ledger that `reader` reads.
    pub fn new(data_folder: &Path, reader: Reader) -> Self {
        Self { folder: data_folder.join("snapshots"), ledger: reader }
    }

    /// Writes a snapshot, durably, and removes all but the last [`KEPT`].
    pub fn save(&self, snapshot: &Snapshot) -> Result<(), ReadError> {
        let size = snapshot.size;
        let leaf = self.last_leaf(size)?.ok_or(SnapshotError::Ahead { size })?;
        let path = self.path(size);
        write(&self.folder, &path, &header(snapshot, &leaf), &snapshot.bytes)
            .map_err(|source| SnapshotError::Io { path: path.clone(), source })?;
        // Larger ones can only be left from before the ledger was restored from a backup.
        let (larger, rest): (Vec<_>, Vec<_>) =
            self.list()?.into_iter().partition(|other| *other > size);
        for surplus in larger.into_iter().chain(rest.into_iter().skip(KEPT)) {
            let path = self.path(surplus);
            fs::remove_file(&path).map_err(|source| SnapshotError::Io { path, source })?;
        }
        Ok(())
    }

    /// Returns the newest snapshot that fits a ledger of `facts` facts, and what is wrong with newer ones.
    pub fn latest(&self, facts: u64) -> Result<FoundSnapshot, ReadError> {
        let mut found = FoundSnapshot::default();
        for size in self.list()? {
            match self.read(size, facts)? {
                Ok(snapshot) => {
                    found.snapshot = Some(snapshot);
                    break;
                }
                Err(problem) => found.damaged.push(DamagedSnapshot { size, problem }),
            }
        }
        Ok(found)
    }

    /// Checks every snapshot against a ledger of `facts` facts; returns how many there are, and those that do not fit.
    pub fn check(&self, facts: u64) -> Result<(usize, Vec<DamagedSnapshot>), ReadError> {
        let all = self.list()?;
        let mut damaged = Vec::new();
        for size in &all {
            if let Err(problem) = self.read(*size, facts)? {
                damaged.push(DamagedSnapshot { size: *size, problem });
            }
        }
        Ok((all.len(), damaged))
    }

    /// The sizes of the snapshots that there are, newest first.
    fn list(&self) -> Result<Vec<u64>, SnapshotError> {
        let io = |source| SnapshotError::Io { path: self.folder.clone(), source };
        let files = match fs::read_dir(&self.folder) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut sizes = Vec::new();
        for file in files {
            let name = file.map_err(io)?.file_name();
            let number = name.to_str().and_then(|name| name.strip_suffix(".snapshot"));
            sizes.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        sizes.sort_unstable_by(|a, b| b.cmp(a));
        Ok(sizes)
    }

    fn path(&self, size: u64) -> PathBuf {
        self.folder.join(format!("{size:020}.snapshot"))
    }

    /// The leaf of the last of the first `size` facts; zeros if `size` is zero, `None` if there are fewer.
    fn last_leaf(&self, size: u64) -> Result<Option<Hash>, ReadError> {
        size.checked_sub(1).map_or(Ok(Some([0; 32])), |last| self.ledger.leaf(last))
    }

    fn read(&self, size: u64, facts: u64) -> Result<Result<Snapshot, Problem>, ReadError> {
        if size > facts {
            return Ok(Err(Problem::Ahead));
        }
        let file = match fs::read(self.path(size)) {
            Ok(file) => file,
            Err(error) => return Ok(Err(Problem::Unreadable(error.kind()))),
        };
        let leaf = self.last_leaf(size)?;
        let same = |(of, snapshot)| {
            if leaf == Some(of) { Ok(snapshot) } else { Err(Problem::OtherLedger) }
        };
        Ok(parse(file, size).and_then(same))
    }
}

fn header(snapshot: &Snapshot, leaf: &Hash) -> Vec<u8> {
    let mut header = Vec::with_capacity(HEADER);
    header.extend_from_slice(MAGIC);
    header.extend_from_slice(&snapshot.format.to_be_bytes());
    header.extend_from_slice(&snapshot.size.to_be_bytes());
    header.extend_from_slice(leaf);
    header.extend_from_slice(&(snapshot.bytes.len() as u64).to_be_bytes());
    let mut digest = Sha256::new();
    digest.update(&header);
    digest.update(&snapshot.bytes);
    header.extend_from_slice(&digest.finalize());
    header
}

/// Reads a file; returns the leaf that it is tied to, and the snapshot.
fn parse(mut file: Vec<u8>, size: u64) -> Result<(Hash, Snapshot), Problem> {
    let header = *file.first_chunk::<HEADER>().ok_or(Problem::Length)?;
    if &header[..8] != MAGIC {
        return Err(Problem::Header);
    }
    let number =
        |from: usize| u64::from_be_bytes(header[from..from + 8].try_into().expect("eight bytes"));
    let format = u32::from_be_bytes(header[8..12].try_into().expect("four bytes"));
    let leaf = header[20..52].try_into().expect("32 bytes");
    if number(12) != size {
        return Err(Problem::Header);
    }
    if number(52) != (file.len() - HEADER) as u64 {
        return Err(Problem::Length);
    }
    let mut digest = Sha256::new();
    digest.update(&header[..60]);
    digest.update(&file[HEADER..]);
    if digest.finalize()[..] != header[60..] {
        return Err(Problem::Hash);
    }
    file.drain(..HEADER);
    Ok((leaf, Snapshot { size, format, bytes: file }))
}

/// Writes beside the path and renames, so that a crash leaves a whole snapshot or none.
fn write(folder: &Path, path: &Path, header: &[u8], bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let beside = folder.join("writing");
    let written = write_whole(&beside, header, bytes).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // On a full disk a part of it would be in the way. That it cannot be removed is not the error to tell.
        return match fs::remove_file(&beside) {
            Ok(()) | Err(_) => Err(error),
        };
    }
    File::open(folder)?.sync_all()
}

fn write_whole(path: &Path, header: &[u8], bytes: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(header)?;
    file.write_all(bytes)?;
    file.sync_all()
}
