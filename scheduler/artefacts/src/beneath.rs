//! Files below a folder, which nothing can lead out of.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, Mode as Bits, OFlags};
use rustix::io::Errno;

/// The most bytes of a path below a folder.
const LONGEST: usize = 1024;

/// A path that would lead out of its folder, or to nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the path {path:?} {problem}")]
pub struct Escape {
    /// The path.
    pub path: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Checks that a path names something below a folder: relative, without `..`.
pub fn check_path(path: &str) -> Result<(), Escape> {
    let escape = |problem| Err(Escape { path: path.chars().take(200).collect(), problem });
    if path.is_empty() {
        return escape("is empty");
    }
    if path.len() > LONGEST {
        return escape("is longer than 1024 bytes");
    }
    if path.contains('\0') {
        return escape("has a NUL in it");
    }
    let mut names = 0;
    for component in Path::new(path).components() {
        match component {
            Component::Normal(_) => names += 1,
            Component::CurDir => {}
            Component::ParentDir => return escape("has `..` in it"),
            Component::RootDir | Component::Prefix(_) => return escape("is absolute"),
        }
    }
    if names == 0 { escape("names the folder itself") } else { Ok(()) }
}

/// What may be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Read and written.
    Plain,
    /// Run, too.
    Executable,
}

/// A folder that is held open. What is asked of it stays below it: no path with `..`, and no symbolic link on the
/// way, not even one that somebody makes meanwhile, leads out of it.
#[derive(Debug)]
pub struct Beneath {
    folder: OwnedFd,
    path: PathBuf,
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Beneath {
    /// Opens a folder; its own path may have symbolic links.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(path, flags, Bits::empty())?;
        Ok(Self { folder, path: path.to_owned() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a path below, made if need be, and the last name of that path.
    fn way<'a>(&self, path: &'a str, make: Make) -> io::Result<(OwnedFd, &'a Path)> {
        check_path(path).map_err(|escape| io::Error::new(io::ErrorKind::InvalidInput, escape))?;
        let names = Path::new(path).components().filter(|one| *one != Component::CurDir);
        let mut names: Vec<&Path> = names.map(|one| Path::new(one.as_os_str())).collect();
        let last = names.pop().expect("the path names something");
        let mut folder = self.folder.try_clone()?;
        for name in names {
            if make == Make::Folders {
                match rustix::fs::mkdirat(&folder, name, Bits::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            folder = rustix::fs::openat(&folder, name, FOLDER, Bits::empty())?;
        }
        Ok((folder, last))
    }

    /// Makes a file that must not be there yet, and the folders on its way.
    pub fn create(&self, path: &str, mode: Mode) -> io::Result<File> {
        let (folder, name) = self.way(path, Make::Folders)?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::RDWR;
        let bits = match mode {
            Mode::Plain => 0o666,
            Mode::Executable => 0o777,
        };
        Ok(rustix::fs::openat(&folder, name, flags, Bits::from_raw_mode(bits))?.into())
    }

    /// Makes a file anew, and the folders on its way; what had that name before is gone, if it was no folder.
    pub fn replace(&self, path: &str, mode: Mode) -> io::Result<File> {
        self.remove(path)?;
        self.create(path, mode)
    }

    /// Makes a folder and those on its way; one that is there is fine.
    pub fn make_folder(&self, path: &str) -> io::Result<()> {
        let (folder, name) = self.way(path, Make::Folders)?;
        match rustix::fs::mkdirat(&folder, name, Bits::from_raw_mode(0o777)) {
            Ok(()) => Ok(()),
            // A symbolic link or a file by that name is none.
            Err(Errno::EXIST) => {
                rustix::fs::openat(&folder, name, FOLDER, Bits::empty())?;
                Ok(())
            }
            Err(errno) => Err(errno.into()),
        }
    }

    /// Makes a symbolic link that must not be there yet; the target is not looked at.
    pub fn link(&self, path: &str, target: &Path) -> io::Result<()> {
        let (folder, name) = self.way(path, Make::Folders)?;
        Ok(rustix::fs::symlinkat(target, &folder, name)?)
    }

    /// Opens a regular file for reading. What is at the end of a symbolic link, or is a pipe or a device, is refused.
    pub fn read(&self, path: &str) -> io::Result<File> {
        let (folder, name) = self.way(path, Make::Nothing)?;
        // A pipe without a writer would never open otherwise.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&folder, name, flags, Bits::empty())?);
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"))
        }
    }

    /// Whether there is something at a path, even if only a symbolic link to nowhere.
    pub fn exists(&self, path: &str) -> io::Result<bool> {
        let found = self.way(path, Make::Nothing).and_then(|(folder, name)| {
            Ok(rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?)
        });
        match found {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives a file below another name below; what had that name before is gone.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (old, old_name) = self.way(from, Make::Nothing)?;
        let (new, new_name) = self.way(to, Make::Folders)?;
        Ok(rustix::fs::renameat(&old, old_name, &new, new_name)?)
    }

    /// Removes a file or a symbolic link; one that is not there needs no removing.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let removed = self
            .way(path, Make::Nothing)
            .and_then(|(folder, name)| Ok(rustix::fs::unlinkat(&folder, name, AtFlags::empty())?));
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether folders on the way are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Make {
    Nothing,
    Folders,
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_that_lead_out_are_refused() {
        for (path, problem) in [
            ("", "is empty"),
            ("/etc/passwd", "is absolute"),
            ("a/../../b", "has `..` in it"),
            ("..", "has `..` in it"),
            ("./.", "names the folder itself"),
            ("a\0b", "has a NUL in it"),
        ] {
            assert_eq!(check_path(path).unwrap_err().problem, problem, "{path:?}");
        }
        assert_eq!(check_path("./a/b..c"), Ok(()));
    }

    #[test]
    fn no_link_on_the_way_is_followed_neither_for_writing_nor_for_reading() {
        let (inside, outside) =
            (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        std::fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path(), inside.path().join("way")).unwrap();
        symlink(outside.path().join("secret"), inside.path().join("end")).unwrap();
        let folder = Beneath::open(inside.path()).unwrap();

        assert!(folder.create("way/new", Mode::Plain).is_err());
        assert!(folder.make_folder("way").is_err());
        assert!(folder.create("end", Mode::Plain).is_err());
        assert!(folder.read("way/secret").is_err());
        assert!(folder.read("end").is_err());
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
        assert_eq!(std::fs::read_to_string(outside.path().join("secret")).unwrap(), "x");
    }

    #[test]
    fn files_are_made_with_their_folders_and_read_back() {
        let inside = tempfile::TempDir::new().unwrap();
        let folder = Beneath::open(inside.path()).unwrap();

        folder.create("a/b/c", Mode::Plain).unwrap().write_all(b"hello").unwrap();
        folder.rename("a/b/c", "d").unwrap();

        let mut text = String::new();
        folder.read("./d").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
        assert!(folder.exists("a/b").unwrap());
        assert!(!folder.exists("a/b/c").unwrap());
    }

    #[test]
    fn a_pipe_is_no_file_and_nobody_waits_for_its_writer() {
        let inside = tempfile::TempDir::new().unwrap();
        let pipe = inside.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Bits::from_raw_mode(0o600),
            0,
        )
        .unwrap();

        assert!(Beneath::open(inside.path()).unwrap().read("pipe").is_err());
    }
}
