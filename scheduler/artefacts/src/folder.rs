//! Artefacts in a folder.

use std::fs::{self, File, FileTimes};
use std::io::{Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use repower_model::{Hash, Timestamp};

use crate::part::Sealed;
use crate::{Fault, Part, parse_digest};

/// Artefacts in a folder: `objects/ab/abcd...`, and under `incoming` what is on its way.
///
/// An artefact is visible when it is whole and durable, never before. One process writes.
#[derive(Debug, Clone)]
pub struct Folder {
    root: PathBuf,
}

/// An artefact in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub digest: Hash,
    /// How long it is.
    pub bytes: u64,
    /// When it was put there, or used last.
    pub modified: Timestamp,
}

/// Something that has begun to come in and is not there as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// By which name.
    pub name: String,
    /// How much of it has come.
    pub bytes: u64,
    /// When the last of it did.
    pub modified: Timestamp,
}

impl Folder {
    /// Opens a folder, and makes it if it is not there.
    pub fn open(root: &Path) -> Result<Self, Fault> {
        for name in ["objects", "incoming"] {
            let path = root.join(name);
            make_private(&path).map_err(Fault::io("make", &path))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    /// Where an artefact is, if it is there.
    pub fn path(&self, digest: Hash) -> PathBuf {
        let name = digest.to_string();
        self.root.join("objects").join(&name[..2]).join(name)
    }

    /// Where something by this name comes in: 1 to 100 letters and digits.
    pub fn incoming(&self, name: &str) -> PathBuf {
        self.root.join("incoming").join(name)
    }

    /// How long an artefact is; `None`: it is not there.
    pub fn find(&self, digest: Hash) -> Option<u64> {
        let found = fs::symlink_metadata(self.path(digest)).ok()?;
        found.is_file().then_some(found.len())
    }

    /// How much of an artefact has come that is not there as a whole.
    pub fn received(&self, digest: Hash) -> u64 {
        Part::received(&self.incoming(&digest.to_string()))
    }

    /// What comes in of an artefact, after its first `offset` bytes.
    pub fn part(&self, digest: Hash, offset: u64) -> Result<Part, Fault> {
        Part::open(&self.incoming(&digest.to_string()), offset)
    }

    /// Makes what has come in visible.
    pub fn admit(&self, sealed: &Sealed) -> Result<(), Fault> {
        let path = self.path(sealed.digest);
        let folder = path.parent().unwrap_or(&self.root);
        let fault = Fault::io("move an artefact to", &path);
        make_private(folder).map_err(&fault)?;
        fs::rename(&sealed.path, &path).map_err(&fault)?;
        sync_folder(folder).map_err(&fault)
    }

    /// Opens an artefact for reading from `offset` on.
    pub fn read(&self, digest: Hash, offset: u64) -> Result<File, Fault> {
        let path = self.path(digest);
        let mut file = File::open(&path).map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                Fault::Missing { digest }
            } else {
                Fault::io("open", &path)(source)
            }
        })?;
        file.seek(SeekFrom::Start(offset)).map_err(Fault::io("read", &path))?;
        Ok(file)
    }

    /// Says that an artefact was used at this time.
    pub fn touch(&self, digest: Hash, now: Timestamp) -> Result<(), Fault> {
        let path = self.path(digest);
        let fault = Fault::io("touch", &path);
        let times = FileTimes::new().set_modified(system_time(now));
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_times(times))
            .map_err(fault)
    }

    /// Removes an artefact; one that is not there needs no removing.
    pub fn remove(&self, digest: Hash) -> Result<(), Fault> {
        let path = self.path(digest);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::io("remove", &path)(source))
            }
            _ => Ok(()),
        }
    }

    /// The artefacts whose digests begin with this byte.
    pub fn list(&self, first: u8) -> Result<Vec<Entry>, Fault> {
        let folder = self.root.join("objects").join(format!("{first:02x}"));
        let mut entries = Vec::new();
        let read = match fs::read_dir(&folder) {
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => return Ok(entries),
            read => read.map_err(Fault::io("list", &folder))?,
        };
        for entry in read {
            let entry = entry.map_err(Fault::io("list", &folder))?;
            let digest = entry.file_name().to_str().and_then(parse_digest);
            // One that has just gone is not in the list.
            let (Some(digest), Ok(found)) = (digest, entry.metadata()) else {
                continue;
            };
            let modified = timestamp(found.modified().unwrap_or(UNIX_EPOCH));
            entries.push(Entry { digest, bytes: found.len(), modified });
        }
        Ok(entries)
    }

    /// What has begun to come in, whether or not it still does.
    pub fn coming(&self) -> Result<Vec<Coming>, Fault> {
        let folder = self.root.join("incoming");
        let mut all = Vec::new();
        for entry in fs::read_dir(&folder).map_err(Fault::io("list", &folder))? {
            let entry = entry.map_err(Fault::io("list", &folder))?;
            // One that has just become whole is not in the list.
            let (Ok(name), Ok(found)) = (entry.file_name().into_string(), entry.metadata()) else {
                continue;
            };
            let modified = timestamp(found.modified().unwrap_or(UNIX_EPOCH));
            all.push(Coming { name, bytes: found.len(), modified });
        }
        Ok(all)
    }

    /// Removes what has come in by a name; one that is not there needs no removing.
    pub fn remove_coming(&self, name: &str) -> Result<(), Fault> {
        let path = self.incoming(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(Fault::io("remove", &path)(source))
            }
            _ => Ok(()),
        }
    }

    /// Removes what has begun to come in and not gone on since `before`; returns how many bytes that was.
    pub fn sweep(&self, before: Timestamp) -> Result<u64, Fault> {
        let folder = self.root.join("incoming");
        let mut bytes = 0;
        for entry in fs::read_dir(&folder).map_err(Fault::io("list", &folder))? {
            let entry = entry.map_err(Fault::io("list", &folder))?;
            let Ok(found) = entry.metadata() else { continue };
            if timestamp(found.modified().unwrap_or(UNIX_EPOCH)) < before
                && fs::remove_file(entry.path()).is_ok()
            {
                bytes += found.len();
            }
        }
        Ok(bytes)
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(builder.recursive(true), 0o700).create(path)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::Hasher;

    fn put(folder: &Folder, bytes: &[u8]) -> Hash {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        let digest = hasher.finish();
        let mut part = folder.part(digest, 0).unwrap();
        part.write(bytes).unwrap();
        folder.admit(&part.seal(Some(digest)).unwrap()).unwrap();
        digest
    }

    #[test]
    fn an_artefact_is_there_when_it_is_whole_and_not_before() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let mut hasher = Hasher::default();
        hasher.update(b"hello");
        let digest = hasher.finish();

        let mut part = folder.part(digest, 0).unwrap();
        part.write(b"hel").unwrap();
        let before = (folder.find(digest), folder.received(digest));
        part.write(b"lo").unwrap();
        folder.admit(&part.seal(Some(digest)).unwrap()).unwrap();

        assert_eq!(before, (None, 3));
        assert_eq!((folder.find(digest), folder.received(digest)), (Some(5), 0));
    }

    #[test]
    fn an_artefact_is_read_from_any_place_and_is_gone_when_it_is_removed() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let digest = put(&folder, b"hello");

        let mut text = String::new();
        folder.read(digest, 3).unwrap().read_to_string(&mut text).unwrap();
        folder.remove(digest).unwrap();
        folder.remove(digest).unwrap();

        assert_eq!(text, "lo");
        assert!(matches!(folder.read(digest, 0), Err(Fault::Missing { .. })));
    }

    #[test]
    fn a_list_says_when_each_artefact_was_used_last() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let digest = put(&folder, b"hello");
        let then = Timestamp::from_millis(1_000_000);

        folder.touch(digest, then).unwrap();

        let all: Vec<Entry> = (0..=255).flat_map(|first| folder.list(first).unwrap()).collect();
        assert_eq!(all, [Entry { digest, bytes: 5, modified: then }]);
    }

    #[test]
    fn what_came_in_long_ago_and_never_became_whole_is_swept_away() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = Folder::open(root.path()).unwrap();
        let digest = Hasher::default().finish();
        folder.part(digest, 0).unwrap().write(b"never").unwrap();

        assert_eq!(folder.sweep(Timestamp::from_millis(0)).unwrap(), 0);
        assert_eq!(folder.sweep(Timestamp::from_millis(i64::MAX)).unwrap(), 5);
        assert_eq!(folder.received(digest), 0);
    }
}
