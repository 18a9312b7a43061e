//! What has arrived of a file that is on its way.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use repower_model::Hash;
use rustix::fs::OFlags;

use crate::{Disk, Fault, Hasher, PIECE};

/// Bytes between two looks at how much space is left.
const LOOK: u64 = 64 << 20;
/// Bytes after which what is there goes to the disk, while more arrives: otherwise a gigabyte would
/// have to go there at the end, and whoever sent it would wait for that.
const FLUSH: u64 = 64 << 20;

/// A file that is on its way: what has arrived stays, if the transfer breaks off, for the next try.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: PathBuf,
    hasher: Hasher,
    written: u64,
    /// When to look next at how much space is left.
    look: u64,
    /// When what is there goes to the disk next.
    flush: u64,
    flushing: Option<JoinHandle<io::Result<()>>>,
}

/// A file that is there as a whole and durable, under a temporary name.
#[derive(Debug)]
pub struct Sealed {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub digest: Hash,
    /// How long it is.
    pub bytes: u64,
}

impl Part {
    /// How many bytes of a part there are; 0 if there is none.
    pub fn received(path: &Path) -> u64 {
        path.symlink_metadata().map_or(0, |found| found.len())
    }

    /// Opens a part, or makes it, to go on after its first `offset` bytes; later ones are dropped.
    pub fn open(path: &Path, offset: u64) -> Result<Self, Fault> {
        let fault = Fault::io("open", path);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        // Whoever may write in the folder must not lead the bytes elsewhere.
        options.custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0));
        let mut file = options.open(path).map_err(&fault)?;
        let have = file.metadata().map_err(&fault)?.len();
        if have < offset {
            return Err(Fault::Gap { offset, have });
        }
        file.set_len(offset).map_err(&fault)?;
        let mut hasher = Hasher::default();
        let mut piece = vec![0; PIECE];
        let mut left = offset;
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            file.read_exact(&mut piece[..most]).map_err(Fault::io("read", path))?;
            hasher.update(&piece[..most]);
            left -= most as u64;
        }
        file.seek(SeekFrom::Start(offset)).map_err(&fault)?;
        let (path, written, look, flush) = (path.to_owned(), offset, offset, offset + FLUSH);
        Ok(Self { file, path, hasher, written, look, flush, flushing: None })
    }

    /// Makes sure that there is space for more bytes, with some to spare: whoever else uses the
    /// disk must not find it full.
    pub fn check_room(&self, more: u64) -> Result<(), Fault> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let Some(disk) = Disk::of(folder) else { return Ok(()) };
        let (free, reserve) = (disk.free, disk.reserve());
        let (bytes, most) = (self.written.saturating_add(more), disk.total.saturating_sub(reserve));
        if bytes > most {
            return Err(Fault::TooLarge { path: self.path.clone(), bytes, most });
        }
        if free < more.saturating_add(reserve) {
            return Err(Fault::NoRoom { path: self.path.clone(), asked: more, free, reserve });
        }
        Ok(())
    }

    /// Adds bytes. On a full disk the part is removed, so that it does not fill it any longer.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let written = self.try_write(bytes);
        if written.as_ref().is_err_and(Fault::is_full) {
            self.remove();
        }
        written
    }

    fn try_write(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        if self.written >= self.look {
            self.check_room(bytes.len() as u64)?;
            self.look = self.written + LOOK;
        }
        self.file.write_all(bytes).map_err(Fault::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.written += bytes.len() as u64;
        if self.written >= self.flush {
            self.flush = self.written + FLUSH;
            self.flush().map_err(Fault::io("sync", &self.path))?;
        }
        Ok(())
    }

    /// Sends what is there to the disk while more is written, when the last time has come to an end.
    fn flush(&mut self) -> io::Result<()> {
        if self.flushing.as_ref().is_some_and(|flushing| !flushing.is_finished()) {
            return Ok(());
        }
        self.flushed()?;
        let file = self.file.try_clone()?;
        let thread = std::thread::Builder::new().name("repower-flush".into());
        self.flushing = Some(thread.spawn(move || file.sync_data())?);
        Ok(())
    }

    /// Waits for it. What went wrong in it is told once by the system, so it must not get lost.
    fn flushed(&mut self) -> io::Result<()> {
        let Some(flushing) = self.flushing.take() else { return Ok(()) };
        flushing.join().unwrap_or_else(|_| Err(io::Error::other("the thread that syncs has ended")))
    }

    /// How many bytes there are.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Begins anew.
    pub fn restart(&mut self) -> Result<(), Fault> {
        *self = Self::open(&self.path, 0)?;
        Ok(())
    }

    /// Removes it.
    pub fn remove(&self) {
        // What cannot be removed is cut off at the next try, and swept away some day.
        std::fs::remove_file(&self.path).unwrap_or_default();
    }

    /// Makes it durable.
    ///
    /// # Errors
    ///
    /// If it is not what was `expected`; then it is removed.
    pub fn seal(mut self, expected: Option<Hash>) -> Result<Sealed, Fault> {
        let path = self.path.clone();
        let found = self.hasher.clone().finish();
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            self.remove();
            return Err(Fault::WrongDigest { expected, found });
        }
        if let Err(source) = self.flushed().and_then(|()| self.file.sync_all()) {
            let fault = Fault::io("sync", &path)(source);
            if fault.is_full() {
                self.remove();
            }
            return Err(fault);
        }
        Ok(Sealed { path, digest: found, bytes: self.written })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn hash(bytes: &[u8]) -> Hash {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    #[test]
    fn a_part_goes_on_where_it_broke_off_and_knows_all_of_its_bytes() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("part");
        Part::open(&path, 0).unwrap().write(b"hello wor!!").unwrap();

        let mut part = Part::open(&path, 9).unwrap();
        part.write(b"ld").unwrap();
        let sealed = part.seal(Some(hash(b"hello world"))).unwrap();

        assert_eq!(fs::read(&sealed.path).unwrap(), b"hello world");
        assert_eq!(sealed.bytes, 11);
    }

    #[test]
    fn a_part_with_other_bytes_than_it_should_have_is_removed() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("part");
        let mut part = Part::open(&path, 0).unwrap();
        part.write(b"evil").unwrap();

        let fault = part.seal(Some(hash(b"good"))).unwrap_err();

        assert!(matches!(fault, Fault::WrongDigest { .. }), "{fault}");
        assert!(!path.exists());
    }

    #[test]
    fn a_long_part_goes_to_the_disk_while_it_is_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("part");
        let mut part = Part::open(&path, 0).unwrap();
        let piece = vec![7; 16 << 20];
        let mut hasher = Hasher::default();

        for _ in 0..9 {
            part.write(&piece).unwrap();
            hasher.update(&piece);
        }
        let flushing = part.flushing.is_some();
        let sealed = part.seal(Some(hasher.finish())).unwrap();

        assert!(flushing);
        assert_eq!(fs::metadata(&path).unwrap().len(), sealed.bytes);
    }

    #[test]
    fn a_part_cannot_begin_after_its_end() {
        let folder = tempfile::TempDir::new().unwrap();

        let fault = Part::open(&folder.path().join("part"), 3).unwrap_err();

        assert_eq!(
            fault.to_string(),
            "the bytes start at 3, but only the 0 before have arrived: send from there"
        );
    }
}
