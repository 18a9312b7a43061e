//! What a process has open.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::proc;

/// The most descriptors of one process that are looked at.
const DESCRIPTORS: usize = 4096;

/// What a process has open that matters here.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Inodes of sockets.
    pub(super) sockets: BTreeSet<u32>,
    /// A device for model-specific registers.
    pub(super) has_msr: bool,
}

/// What a process has open. Attempts that the kernel refused are not among it.
pub(super) fn open(process: u32) -> Open {
    let mut found = Open::default();
    let Ok(entries) = fs::read_dir(proc::path(process, "fd")) else { return found };
    for entry in entries.filter_map(Result::ok).take(DESCRIPTORS) {
        let Ok(link) = fs::read_link(entry.path()) else { continue };
        let name = link.as_os_str().as_bytes();
        let inode = name.strip_prefix(b"socket:[").and_then(|rest| rest.strip_suffix(b"]"));
        if let Some(inode) = inode.and_then(|digits| std::str::from_utf8(digits).ok()) {
            found.sockets.extend(inode.parse::<u32>().ok());
        }
        found.has_msr |= name.starts_with(b"/dev/cpu/") && name.ends_with(b"/msr");
    }
    found.has_msr |= loads_msr(process);
    found
}

/// Whether the process is one that loads the kernel's driver for those registers.
fn loads_msr(process: u32) -> bool {
    let name = proc::read(process, "comm", 64).unwrap_or_default();
    if name.trim_ascii_end() != b"modprobe" && name.trim_ascii_end() != b"insmod" {
        return false;
    }
    let line = proc::read(process, "cmdline", 4096).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|word| word == b"msr" || word.ends_with(b"/msr.ko"))
}
