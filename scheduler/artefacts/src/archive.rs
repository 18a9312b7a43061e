//! A folder as one stream of bytes: a tar, made the same from the same files, and unpacked below a folder.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::{Beneath, Escape, Mode, check_path};

/// The most files and folders of one archive.
pub const MOST: usize = 1_000_000;

/// Why a folder was not packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A file cannot be read or written.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The name of a file is no text.
    #[error("the name of {} is not UTF-8", path.display())]
    Name {
        /// Which file.
        path: PathBuf,
    },
    /// The archive has something that is neither a file, a folder nor a symbolic link.
    #[error("{path:?} is {kind}: an archive may have files, folders and symbolic links only")]
    Kind {
        /// Where it would be.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Something in it would lead out of the folder.
    #[error(transparent)]
    Escape(#[from] Escape),
    /// A symbolic link would lead out of the folder.
    #[error("{path:?} is a symbolic link to {target:?}, which leads out of the folder")]
    Link {
        /// Where it would be.
        path: String,
        /// Where it would lead.
        target: String,
    },
    /// It has too many files.
    #[error("it has more than {MOST} files")]
    TooMany,
    /// The bytes are no tar.
    #[error("the bytes are not those of a tar")]
    Damaged {
        /// What is wrong.
        #[source]
        source: io::Error,
    },
}

fn at(what: &'static str, path: &Path) -> impl Fn(io::Error) -> Problem {
    move |source| Problem::Io { what, path: path.to_owned(), source }
}

/// Writes a folder as a tar: its files in order of their names, without owners and times, so that the same
/// files give the same bytes. Symbolic links stay links if they stay in the folder. What could not be unpacked again
/// is not packed: paths that are too long, and so folders that are too deep.
pub fn pack(folder: &Path, to: impl Write) -> Result<(), Problem> {
    let mut builder = tar::Builder::new(to);
    builder.sparse(false);
    let mut count = 0;
    // Folders on the way, each with the names in it that are still to come: however deep they are, the stack is not.
    let mut way = vec![(String::new(), names(folder)?)];
    while let Some((below, left)) = way.last_mut() {
        let Some(name) = left.next() else {
            way.pop();
            continue;
        };
        count += 1;
        if count > MOST {
            return Err(Problem::TooMany);
        }
        let relative = if below.is_empty() { name } else { format!("{below}/{name}") };
        check_path(&format!("{PLACE}/{relative}"))?;
        if pack_one(folder, &relative, &mut builder)? {
            let names = names(&folder.join(&relative))?;
            way.push((relative, names));
        }
    }
    builder.into_inner().and_then(|mut to| to.flush()).map_err(at("write the tar of", folder))
}

/// A folder of a short name, into which what is packed must fit.
const PLACE: &str = "new";

/// The names of what is in a folder, in order.
fn names(path: &Path) -> Result<std::vec::IntoIter<String>, Problem> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path).map_err(at("read", path))? {
        let entry = entry.map_err(at("read", path))?;
        let name = entry.file_name().into_string();
        names.push(name.map_err(|name| Problem::Name { path: path.join(name) })?);
    }
    names.sort_unstable();
    Ok(names.into_iter())
}

/// Packs something that is in a folder; returns whether it is a folder itself, of which what is in it comes next.
fn pack_one(
    root: &Path,
    relative: &str,
    builder: &mut tar::Builder<impl Write>,
) -> Result<bool, Problem> {
    let path = root.join(relative);
    let found = fs::symlink_metadata(&path).map_err(at("read", &path))?;
    let kind = found.file_type();
    if kind.is_dir() {
        let mut header = header(tar::EntryType::Directory, 0o755, 0);
        let name = format!("{relative}/");
        builder.append_data(&mut header, name, io::empty()).map_err(at("pack", &path))?;
    } else if kind.is_symlink() {
        let target = fs::read_link(&path).map_err(at("read", &path))?;
        check_link(relative, &target)?;
        let mut header = header(tar::EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut header, relative, &target).map_err(at("pack", &path))?;
    } else if kind.is_file() {
        let runs = std::os::unix::fs::PermissionsExt::mode(&found.permissions()) & 0o100 != 0;
        let mode = if runs { 0o755 } else { 0o644 };
        let mut header = header(tar::EntryType::Regular, mode, found.len());
        let file = File::open(&path).map_err(at("read", &path))?;
        // A file that grows meanwhile is cut, one that shrinks is an error.
        let mut bytes = file.take(found.len());
        builder.append_data(&mut header, relative, &mut bytes).map_err(at("pack", &path))?;
        if bytes.limit() != 0 {
            let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter");
            return Err(at("pack", &path)(source));
        }
    } else {
        return Err(Problem::Kind { path: relative.into(), kind: "a socket, a pipe or a device" });
    }
    Ok(kind.is_dir())
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Refuses a symbolic link that leads out of the folder which `path` is relative to, or goes up after it has gone
/// down: what it went down through may be another link, and then up is somewhere else.
fn check_link(path: &str, target: &Path) -> Result<(), Problem> {
    use std::path::Component;
    let out = || Problem::Link { path: path.into(), target: target.to_string_lossy().into() };
    let (mut depth, mut is_down) = (Path::new(path).components().count() - 1, false);
    for component in target.components() {
        match component {
            Component::Normal(_) => is_down = true,
            Component::CurDir => {}
            Component::ParentDir if is_down => return Err(out()),
            Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(out)?,
            Component::RootDir | Component::Prefix(_) => return Err(out()),
        }
    }
    Ok(())
}

/// Unpacks a tar below `into`, which nothing in it can leave. Files replace what is there, with the bits to run them and
/// no others; links are made last, so that nothing is written through them.
pub fn unpack(tar: impl Read, into: &Beneath, below: &str) -> Result<(), Problem> {
    into.make_folder(below).map_err(at("make", &into.path().join(below)))?;
    let damaged = |source| Problem::Damaged { source };
    let mut archive = tar::Archive::new(tar);
    let mut links = Vec::new();
    for (count, entry) in archive.entries().map_err(damaged)?.enumerate() {
        if count >= MOST {
            return Err(Problem::TooMany);
        }
        let mut entry = entry.map_err(damaged)?;
        let name = entry.path().map_err(damaged)?;
        let name = name.to_str().ok_or_else(|| Problem::Name { path: name.to_path_buf() })?;
        let name = name.trim_end_matches('/').to_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() && name.trim_start_matches("./").is_empty() {
            continue;
        }
        check_path(&name)?;
        let place = format!("{below}/{name}");
        let path = into.path().join(&place);
        #[expect(clippy::wildcard_enum_match_arm, reason = "whatever else there is, it is no file")]
        match kind {
            tar::EntryType::Directory => into.make_folder(&place).map_err(at("make", &path))?,
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let runs = entry.header().mode().map_err(damaged)? & 0o100 != 0;
                let mode = if runs { Mode::Executable } else { Mode::Plain };
                let mut file = into.replace(&place, mode).map_err(at("make", &path))?;
                io::copy(&mut entry, &mut file).map_err(at("write", &path))?;
            }
            tar::EntryType::Symlink => {
                let target = entry.link_name().map_err(damaged)?.unwrap_or_default();
                check_link(&name, &target)?;
                links.push((place, target.into_owned()));
            }
            tar::EntryType::XGlobalHeader => {}
            tar::EntryType::Link => return Err(Problem::Kind { path: name, kind: "a hard link" }),
            _ => return Err(Problem::Kind { path: name, kind: "no file" }),
        }
    }
    for (place, target) in links {
        into.remove(&place).map_err(at("replace", &into.path().join(&place)))?;
        into.link(&place, &target).map_err(at("make", &into.path().join(&place)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn packed(folder: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        pack(folder, &mut bytes).unwrap();
        bytes
    }

    fn evil(kind: tar::EntryType, name: &str, target: Option<&str>) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = header(kind, 0o644, 0);
        // The library would not write such names itself.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        if let Some(target) = target {
            header.as_old_mut().linkname[..target.len()].copy_from_slice(target.as_bytes());
        }
        header.set_cksum();
        builder.append(&header, io::empty()).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn a_folder_comes_out_as_it_went_in_and_the_same_files_give_the_same_bytes() {
        let (from, to) = (tempfile::TempDir::new().unwrap(), tempfile::TempDir::new().unwrap());
        fs::create_dir_all(from.path().join("deep/er")).unwrap();
        fs::create_dir_all(from.path().join("empty")).unwrap();
        fs::write(from.path().join("deep/er/file"), "hello").unwrap();
        fs::write(from.path().join("run"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(from.path().join("run"), fs::Permissions::from_mode(0o755)).unwrap();
        symlink("er/file", from.path().join("deep/link")).unwrap();
        let long = "n".repeat(150);
        fs::write(from.path().join(&long), "long").unwrap();

        let bytes = packed(from.path());
        unpack(&bytes[..], &Beneath::open(to.path()).unwrap(), "in").unwrap();

        let into = to.path().join("in");
        assert_eq!(fs::read_to_string(into.join("deep/link")).unwrap(), "hello");
        assert_eq!(fs::read_to_string(into.join(&long)).unwrap(), "long");
        assert!(into.join("empty").is_dir());
        let mode = |name| fs::metadata(into.join(name)).unwrap().permissions().mode();
        assert_eq!((mode("run") & 0o100, mode("deep/er/file") & 0o111), (0o100, 0));
        assert_eq!(packed(&into), bytes);
    }

    #[test]
    fn nothing_in_an_archive_leads_out_of_the_folder() {
        let root = tempfile::TempDir::new().unwrap();
        let inside = root.path().join("inside");
        fs::create_dir(&inside).unwrap();
        let into = Beneath::open(&inside).unwrap();

        for (bytes, problem) in [
            (evil(tar::EntryType::Regular, "../out", None), "the path \"../out\" has `..` in it"),
            (evil(tar::EntryType::Regular, "/tmp/out", None), "the path \"/tmp/out\" is absolute"),
            (
                evil(tar::EntryType::Symlink, "a/way", Some("../../..")),
                "\"a/way\" is a symbolic link to \"../../..\", which leads out of the folder",
            ),
            (
                evil(tar::EntryType::Symlink, "way", Some("/etc")),
                "\"way\" is a symbolic link to \"/etc\", which leads out of the folder",
            ),
            (
                evil(tar::EntryType::Link, "way", Some("/etc/passwd")),
                "\"way\" is a hard link: an archive may have files, folders and symbolic links only",
            ),
            (
                evil(tar::EntryType::Char, "dev", None),
                "\"dev\" is no file: an archive may have files, folders and symbolic links only",
            ),
        ] {
            assert_eq!(unpack(&bytes[..], &into, "in").unwrap_err().to_string(), problem);
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
        assert_eq!(fs::read_dir(inside.join("in")).unwrap().count(), 0);
    }

    #[test]
    fn a_link_cannot_leave_by_way_of_another() {
        for (path, target) in [("e", "d/d/../../x"), ("a/e", "../d/.."), ("e", "../x"), ("e", "/x")]
        {
            assert!(check_link(path, Path::new(target)).is_err(), "{path} -> {target}");
        }
        for (path, target) in [("e", "d/x"), ("a/b/e", "../../x/y"), ("a/e", "./../x"), ("e", ".")]
        {
            assert!(check_link(path, Path::new(target)).is_ok(), "{path} -> {target}");
        }
    }

    #[test]
    fn a_file_is_not_written_through_a_link_that_the_same_archive_makes() {
        let root = tempfile::TempDir::new().unwrap();
        let into = Beneath::open(root.path()).unwrap();
        let mut builder = tar::Builder::new(Vec::new());
        let mut link = header(tar::EntryType::Symlink, 0o777, 0);
        builder.append_link(&mut link, "x", "y").unwrap();
        let mut file = header(tar::EntryType::Regular, 0o644, 4);
        builder.append_data(&mut file, "x/file", &b"evil"[..]).unwrap();

        let problem = unpack(&builder.into_inner().unwrap()[..], &into, "in").unwrap_err();

        // The link comes last, and does not take the place of the folder that the file made.
        assert!(matches!(problem, Problem::Io { what: "replace", .. }), "{problem}");
        assert!(!root.path().join("in/y").exists());
    }

    #[test]
    fn a_folder_that_is_too_deep_to_be_unpacked_is_not_packed() {
        let root = tempfile::TempDir::new().unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let mode = rustix::fs::Mode::from_raw_mode(0o700);
        let mut folder = rustix::fs::open(root.path(), flags, mode).unwrap();
        let mut packed_at_most = Ok(());
        for level in 1..=1000 {
            rustix::fs::mkdirat(&folder, "d", mode).unwrap();
            folder = rustix::fs::openat(&folder, "d", flags, mode).unwrap();
            if level == 510 {
                packed_at_most = pack(root.path(), io::sink());
            }
        }

        let problem = pack(root.path(), io::sink()).unwrap_err();

        assert!(packed_at_most.is_ok(), "{packed_at_most:?}");
        assert!(problem.to_string().ends_with("is longer than 1024 bytes"), "{problem}");
    }

    #[test]
    fn bytes_that_are_no_tar_are_refused() {
        let root = tempfile::TempDir::new().unwrap();
        let into = Beneath::open(root.path()).unwrap();

        let problem = unpack(&[7; 1024][..], &into, "in").unwrap_err();

        assert_eq!(problem.to_string(), "the bytes are not those of a tar");
    }
}
