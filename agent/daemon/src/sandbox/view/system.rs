//! The part of a view that is the same for all tasks: what the system itself has.

use std::fs;
use std::path::{Path, PathBuf};

use repower_model::SYSTEM_FOLDERS;

/// Devices that any program may use.
pub(super) const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What the host has of what a system has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct System {
    /// Seen where they are on the host.
    pub(super) folders: Vec<PathBuf>,
    /// Path and target.
    pub(super) links: Vec<(PathBuf, PathBuf)>,
    /// Single files that one of the folders points at from outside.
    pub(super) files: Vec<PathBuf>,
    /// Where the list of hosts is in one of the folders, links followed.
    pub(crate) hosts: PathBuf,
    /// Whether this agent may do what only the system's own root may.
    pub(crate) is_privileged: bool,
}

impl System {
    /// Looks at the host.
    pub(crate) fn look(is_privileged: bool) -> Self {
        let mut system = Self { is_privileged, ..Self::default() };
        for folder in SYSTEM_FOLDERS.map(Path::new) {
            let Ok(metadata) = fs::symlink_metadata(folder) else { continue };
            if metadata.is_symlink() {
                system.links.extend(fs::read_link(folder).map(|target| (folder.into(), target)));
            } else if metadata.is_dir() {
                system.folders.push(folder.into());
            }
        }
        let hosts = Path::new("/etc/hosts");
        system.hosts = fs::canonicalize(hosts).unwrap_or_else(|_| hosts.into());
        // Where the addresses of name servers are managed, this is a link to somewhere in /run.
        let names = fs::canonicalize("/etc/resolv.conf").ok().filter(|path| path.is_file());
        system.files.extend(names.filter(|path| !system.has(path)));
        system
    }

    /// Whether a path lies in one of the folders.
    pub(crate) fn has(&self, path: &Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}
