//! Files that are there whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

/// Writes a file beside its place and moves it there, so that neither a full disk nor the end of this
/// process leaves half of it. What is no plain file (a pipe, a terminal) is written to as it is.
pub(crate) fn replace(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|known| !known.is_file()) {
        return fill(File::create(path)?, write).map(drop);
    }
    let beside = beside(path);
    let written = File::create(&beside)
        .and_then(|file| fill(file, write))
        .and_then(|file| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // Where it cannot be removed it never was.
        drop(fs::remove_file(&beside));
    }
    written
}

/// Whether a file could be written there, as far as can be told without leaving anything.
///
/// # Errors
///
/// What keeps a file from being made in the folder.
pub(crate) fn probe(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|known| known.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if path.exists() {
        return File::options().append(true).open(path).map(drop);
    }
    let beside = beside(path);
    File::create(&beside)?;
    fs::remove_file(beside)
}

fn fill(
    file: File,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<File> {
    let mut out = BufWriter::new(file);
    write(&mut out)?;
    out.flush()?;
    out.into_inner().map_err(io::IntoInnerError::into_error)
}

fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_cannot_be_written_whole_leaves_the_one_before_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("starts.csv");
        replace(&path, |out| out.write_all(b"before")).unwrap();

        let full = replace(&path, |out| {
            out.write_all(b"half")?;
            Err(io::ErrorKind::StorageFull.into())
        });

        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(fs::read_to_string(&path).unwrap(), "before");
        assert_eq!(names(folder.path()), ["starts.csv"]);
    }

    #[test]
    fn whether_a_file_could_be_written_is_known_before_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();

        assert!(probe(&folder.path().join("new.csv")).is_ok());
        assert_eq!(names(folder.path()), Vec::<String>::new());
        let missing = probe(&folder.path().join("there/is/none.csv")).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert_eq!(probe(folder.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert!(probe(Path::new("/dev/null")).is_ok());
    }
}
