//! What is done with whole folders that tasks had: they are removed, or given to another user.
//!
//! What a task has left may be deeper than a thread has stack or than a path has bytes, and closed to its own owner.

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, chmod, fchmod, openat, renameat, statat, unlinkat,
};
use rustix::io::{Errno, Result};
use rustix::path::Arg;

/// How a folder is opened: never through a symbolic link.
const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The most files of a folder that is removed quickly.
const FEW: usize = 64;
/// The longest of them, in bytes.
const SMALL: i64 = 1 << 20;

/// Removes a folder and all that is in it; none is no fault.
///
/// Whatever is in a folder of the folder is removed, or comes up into the folder itself if it is not empty, and so on: two
/// descriptors do, and no recursion.
pub(crate) fn clear(path: &Path) -> io::Result<()> {
    let root = match open(CWD, path) {
        Ok(root) => root,
        Err(Errno::NOENT) => return Ok(()),
        // A file, or a symbolic link.
        Err(Errno::NOTDIR | Errno::LOOP) => {
            remove(CWD, path)?;
            return Ok(());
        }
        Err(errno) => return Err(errno.into()),
    };
    let mut lifted = 0;
    each(&root, |name| take(&root, name, &mut lifted))?;
    match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Removes a folder in which there are at most a few small files; returns whether it is gone. If not, some of them
/// may be, and [`clear`] is for the rest.
pub(crate) fn clear_quickly(path: &Path) -> bool {
    let quickly = || {
        let root = openat(CWD, path, FOLDER, Mode::empty())?;
        for (count, entry) in Dir::read_from(&root)?.enumerate() {
            let entry = entry?;
            let name = entry.file_name();
            if is_dots(name) {
                continue;
            }
            let found = statat(&root, name, AtFlags::SYMLINK_NOFOLLOW)?;
            let is_folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
            if is_folder || found.st_size > SMALL || count > FEW {
                return Err(Errno::FBIG);
            }
            unlinkat(&root, name, AtFlags::empty())?;
        }
        unlinkat(CWD, path, AtFlags::REMOVEDIR)
    };
    quickly().is_ok()
}

/// Gives a folder and all that is in it to a user; links are given themselves, never followed.
pub(crate) fn give(path: &Path, uid: u32, gid: u32) -> io::Result<()> {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            lchown(entry.path(), Some(uid), Some(gid))?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    // Last, so that one which is not given to the end is given again.
    lchown(path, Some(uid), Some(gid))
}

/// Lets everybody pass through a folder to what is open to them in it, and see nothing on the way.
pub(crate) fn let_through(path: &Path) -> io::Result<()> {
    let open = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    // One that is open further stays so for its owner only.
    match fs::metadata(path)?.permissions().mode() & 0o7777 {
        PASSED => Ok(()),
        _ => open(PASSED),
    }
}

/// Lets a user read, run and enter something of the agent, and nobody else.
pub(crate) fn show(path: &Path, gid: u32) -> io::Result<()> {
    if fs::symlink_metadata(path)?.gid() == gid {
        return Ok(());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o750))?;
    // Last, so that one which is not shown to the end is shown again.
    lchown(path, None, Some(gid))
}

/// The mode of a folder that is passed through.
const PASSED: u32 = 0o711;

fn is_dots(name: &CStr) -> bool {
    name == c"." || name == c".."
}

/// Opens a folder in which everything may be done then, if its owner is who asks.
fn open(at: impl AsFd + Copy, name: impl Arg + Copy) -> Result<OwnedFd> {
    let folder = match openat(at, name, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => {
            unlock(at, name)?;
            openat(at, name, FOLDER, Mode::empty())
        }
        opened => opened,
    }?;
    // What this does not help is told by what comes next.
    let _ = fchmod(&folder, Mode::RWXU);
    Ok(folder)
}

/// Opens a folder to its owner.
fn unlock(at: impl AsFd, name: impl Arg) -> Result<()> {
    let folder = openat(at, name, FOLDER | OFlags::PATH, Mode::empty())?;
    chmod(format!("/proc/self/fd/{}", folder.as_raw_fd()), Mode::RWXU)
}

/// Deals with all that is in a folder, until there is nothing any more, or nothing of it can be dealt with.
fn each(folder: &OwnedFd, mut deal: impl FnMut(&CStr) -> Result<()>) -> Result<()> {
    let mut entries = Dir::read_from(folder)?;
    loop {
        let (mut has_dealt, mut problem) = (false, None);
        entries.rewind();
        while let Some(entry) = entries.read() {
            let entry = entry?;
            if is_dots(entry.file_name()) {
                continue;
            }
            match deal(entry.file_name()) {
                Ok(()) => has_dealt = true,
                Err(errno) => problem = Some(errno),
            }
        }
        if !has_dealt {
            return problem.map_or(Ok(()), Err);
        }
    }
}

/// Removes something of the root; of a folder, what is in its own folders comes up into the root.
fn take(root: &OwnedFd, name: &CStr, lifted: &mut u64) -> Result<()> {
    if remove(root, name)? {
        return Ok(());
    }
    let folder = open(root, name)?;
    each(&folder, |inner| {
        if remove(&folder, inner)? { Ok(()) } else { lift(&folder, inner, root, lifted) }
    })?;
    unlinkat(root, name, AtFlags::REMOVEDIR)
}

/// Removes a file, or a folder with nothing in it; false: it is a folder with something in it.
fn remove(at: impl AsFd + Copy, name: impl Arg + Copy) -> Result<bool> {
    let refused = match unlinkat(at, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(errno @ (Errno::ISDIR | Errno::PERM)) => errno,
        Err(errno) => return Err(errno),
    };
    match unlinkat(at, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(Errno::NOTDIR) => Err(refused),
        Err(errno) => Err(errno),
    }
}

/// Gives a folder a place in the root, under a name that nobody has there.
fn lift(folder: &OwnedFd, name: &CStr, root: &OwnedFd, lifted: &mut u64) -> Result<()> {
    let mut is_unlocked = false;
    loop {
        *lifted += 1;
        match renameat(folder, name, root, format!(".{lifted}")) {
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            // A folder can only come elsewhere if it can be written to.
            Err(Errno::ACCESS) if !is_unlocked => {
                unlock(folder, name)?;
                is_unlocked = true;
            }
            renamed => return renamed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use rustix::fs::mkdirat;
    use rustix::thread::{Gid, Uid, set_thread_res_gid, set_thread_res_uid};

    use super::*;

    /// Makes folders in folders, each with a file and with this mode.
    fn deep(path: &Path, levels: usize, mode: u32) {
        fs::create_dir(path).unwrap();
        let mut folder = openat(CWD, path, FOLDER, Mode::empty()).unwrap();
        for _ in 0..levels {
            let flags = OFlags::CREATE | OFlags::WRONLY;
            openat(&folder, "file", flags, Mode::RUSR).unwrap();
            mkdirat(&folder, "d", Mode::RWXU).unwrap();
            let inner = openat(&folder, "d", FOLDER, Mode::empty()).unwrap();
            fchmod(&folder, Mode::from_raw_mode(mode)).unwrap();
            folder = inner;
        }
    }

    /// Does something on a thread like those of the executor.
    fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn a_folder_is_removed_however_deep_it_is() {
        let root = tempfile::TempDir::new().unwrap();
        let path = root.path().join("work");
        // The names that it uses itself are taken, too.
        deep(&path, 2000, 0o700);
        fs::create_dir(path.join(".1")).unwrap();
        fs::write(path.join(".1/file"), "x").unwrap();
        fs::write(path.join(".2"), "x").unwrap();

        on_a_small_stack(move || clear(&path).unwrap());

        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_closed_to_its_own_owner_is_removed_too() {
        let root = tempfile::TempDir::new().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (closed, read_only) = (root.path().join("closed"), root.path().join("read-only"));

        on_a_small_stack(move || {
            if rustix::process::geteuid().is_root() {
                // Of this thread alone: root may do it anyway.
                let (gid, uid) = (Gid::from_raw(65_534), Uid::from_raw(65_534));
                set_thread_res_gid(gid, gid, gid).unwrap();
                set_thread_res_uid(uid, uid, uid).unwrap();
            }
            for (path, mode) in [(&closed, 0), (&read_only, 0o500)] {
                deep(path, 4, mode);
                clear(path).unwrap();
            }
        });

        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_a_link_leads_to_stays_and_nothing_is_no_fault() {
        let (root, outside) =
            (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        fs::write(outside.path().join("kept"), "x").unwrap();
        let work = root.path().join("work");
        fs::create_dir_all(work.join("a/b")).unwrap();
        symlink(outside.path(), work.join("a/link")).unwrap();
        symlink(outside.path(), root.path().join("link")).unwrap();

        clear(&work).unwrap();
        clear(&work).unwrap();
        clear(&root.path().join("link")).unwrap();

        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
        assert!(outside.path().join("kept").exists());
    }

    #[test]
    fn only_a_folder_with_a_few_small_files_is_removed_quickly() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let (few, many, long, deep) =
            (folder("few"), folder("many"), folder("long"), folder("deep"));
        fs::write(few.join("file"), "x").unwrap();
        for number in 0..1000 {
            fs::write(many.join(number.to_string()), "x").unwrap();
        }
        fs::File::create(long.join("file")).unwrap().set_len(1 << 30).unwrap();
        fs::create_dir(deep.join("inner")).unwrap();

        let gone: Vec<PathBuf> = [&few, &many, &long, &deep]
            .into_iter()
            .filter(|one| clear_quickly(one))
            .cloned()
            .collect();

        assert_eq!(gone.len(), 1, "{gone:?}");
        assert!(!few.exists() && long.join("file").exists() && deep.join("inner").exists());
    }

    #[test]
    fn all_of_a_folder_is_given_to_a_user() {
        let root = tempfile::TempDir::new().unwrap();
        let path = root.path().join("work");
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/b/file"), "x").unwrap();
        symlink("/", path.join("a/link")).unwrap();
        let (uid, gid) = if rustix::process::geteuid().is_root() {
            (65_534, 65_534)
        } else {
            (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
        };

        give(&path, uid, gid).unwrap();

        for name in ["", "a", "a/b", "a/b/file", "a/link"] {
            let found = fs::symlink_metadata(path.join(name)).unwrap();
            assert_eq!((found.uid(), found.gid()), (uid, gid), "{name:?}");
        }
        assert_ne!(fs::metadata("/").unwrap().uid(), 65_534);
    }
}
