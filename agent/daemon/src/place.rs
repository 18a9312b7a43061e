//! Where an agent finds its executor: a folder with a socket and a lock.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, flock, statat, unlinkat};
use rustix::io::Errno;

/// The names in the folder.
const LOCK: &str = "lock";
const SOCKET: &str = "socket";
const LOG: &str = "log";

/// The folder of an executor, open: it stays the same whatever becomes of its name.
#[derive(Debug)]
pub(crate) struct Place {
    path: PathBuf,
    folder: File,
}

impl Place {
    /// Opens the folder of the executor in a data folder; makes it if need be, for this user alone.
    pub(crate) fn open(data: &Path) -> io::Result<Self> {
        let path = data.join("executor");
        DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        let folder = File::open(&path)?;
        Ok(Self { path, folder })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the file in which an executor logs.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// Takes the lock that an executor holds for its life; `None`: one lives.
    pub(crate) fn lock(&self) -> io::Result<Option<File>> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(self.near(LOCK))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(lock)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the folder, or the lock in it, has been removed.
    pub(crate) fn is_gone(&self) -> bool {
        statat(&self.folder, LOCK, AtFlags::SYMLINK_NOFOLLOW).is_err()
    }

    /// Listens for agents.
    pub(crate) fn listen(&self) -> io::Result<UnixListener> {
        self.remove_socket()?;
        let listener = UnixListener::bind(self.near(SOCKET))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Connects to the executor that listens here.
    pub(crate) fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.near(SOCKET))
    }

    /// Nobody listens here any more.
    pub(crate) fn remove_socket(&self) -> io::Result<()> {
        match unlinkat(&self.folder, SOCKET, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// A path of something in the folder that is short, however long the folder's own is: the name of
    /// a socket has 108 bytes at most.
    fn near(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.folder.as_raw_fd()))
    }
}

/// Whether who is at the other end of a socket is this user.
pub(crate) fn is_own(socket: impl AsFd) -> io::Result<bool> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(peer.uid == rustix::process::geteuid())
}

/// The process at the other end of a socket.
pub(crate) fn peer(socket: impl AsFd) -> io::Result<rustix::process::Pid> {
    Ok(rustix::net::sockopt::socket_peercred(socket)?.pid)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_socket_is_found_however_long_the_path_of_its_folder_is() {
        let root = tempfile::TempDir::new().unwrap();
        let data = (0..8).fold(root.path().to_owned(), |path, _| path.join("long".repeat(20)));
        let place = Place::open(&data).unwrap();
        assert!(place.path().as_os_str().len() > 600);

        let listener = place.listen().unwrap();
        let mut near = Place::open(&data).unwrap().connect().unwrap();
        let (mut far, _) = listener.accept().unwrap();
        near.write_all(b"hello").unwrap();
        drop(near);

        let mut text = String::new();
        far.set_nonblocking(false).unwrap();
        far.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn only_this_user_may_enter_even_if_it_was_otherwise_before() {
        let root = tempfile::TempDir::new().unwrap();
        std::fs::create_dir(root.path().join("executor")).unwrap();
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(root.path().join("executor"), open).unwrap();

        let place = Place::open(root.path()).unwrap();

        let mode = std::fs::metadata(place.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn one_holds_the_lock_and_its_end_frees_it() {
        let root = tempfile::TempDir::new().unwrap();
        let place = Place::open(root.path()).unwrap();

        let held = place.lock().unwrap();
        assert!(held.is_some());
        assert!(Place::open(root.path()).unwrap().lock().unwrap().is_none());
        drop(held);

        assert!(place.lock().unwrap().is_some());
    }

    #[test]
    fn a_folder_that_was_removed_is_gone_and_one_that_was_moved_is_not() {
        let root = tempfile::TempDir::new().unwrap();
        let place = Place::open(&root.path().join("data")).unwrap();
        let _lock = place.lock().unwrap();

        assert!(!place.is_gone());
        std::fs::rename(root.path().join("data"), root.path().join("moved")).unwrap();
        assert!(!place.is_gone());
        std::fs::remove_dir_all(root.path().join("moved")).unwrap();

        assert!(place.is_gone());
    }
}
