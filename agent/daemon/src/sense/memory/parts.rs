//! Which parts of a process's memory are its own, and whether a file behind others is as it was.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;

use super::super::maps::Mapping;
use super::super::proc;

/// The times of the last change of a file's content and of its inode, which no program can set back.
pub(super) type Stamp = [i64; 4];

/// The most pages of executable files of one process of which it is asked whose they are: 1 GiB.
const PAGES: u64 = 1 << 18;

/// Pages that are asked about at once.
const AT_ONCE: u64 = 8 << 10;

/// Of an entry of `/proc/PID/pagemap`: in memory, in swap, of a file or shared (Linux, admin-guide/mm/pagemap).
const PRESENT: u64 = 1 << 63;
const SWAPPED: u64 = 1 << 62;
const OF_FILE: u64 = 1 << 61;

/// The times of the file behind a mapping; none if it is not there any more, or cannot be asked.
pub(super) fn stamp(process: u32, mapping: &Mapping) -> Option<Stamp> {
    let times =
        |data: &fs::Metadata| [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()];
    // Only for who may do a little of everything, but sure: the file itself.
    let link = format!("map_files/{:x}-{:x}", mapping.start, mapping.end);
    if let Ok(data) = fs::metadata(proc::path(process, &link)) {
        return Some(times(&data));
    }
    let (device, inode) = mapping.file.as_ref()?;
    let relative = Path::new(&mapping.name).strip_prefix("/").ok()?;
    if relative.as_os_str().as_bytes().is_empty() {
        return None;
    }
    let data = fs::metadata(proc::path(process, "root").join(relative)).ok()?;
    let (major, minor) = (rustix::fs::major(data.dev()), rustix::fs::minor(data.dev()));
    let is_same = data.ino() == *inode && format!("{major:02x}:{minor:02x}") == *device;
    is_same.then(|| times(&data))
}

/// Memory that can be executed and is no file's: anonymous, or pages of a file that the process has written over.
/// Whether it can be read does not matter: a program that makes it unreadable can still run it.
pub(super) fn generated(process: u32, mappings: &[Mapping]) -> Vec<(u64, u64)> {
    let runs = || mappings.iter().filter(|one| one.is_executable && !one.is_special);
    let anonymous = runs().filter(|one| one.file.is_none()).map(|one| (one.start, one.end));
    let mut parts: Vec<(u64, u64)> = anonymous.collect();
    // Without it, what is written over is seen as part of the file, once.
    if let Ok(pagemap) = File::open(proc::path(process, "pagemap")) {
        let mut left = PAGES;
        for mapping in runs().filter(|one| one.file.is_some()) {
            written(&pagemap, mapping, &mut left, &mut parts);
        }
    }
    parts.sort_unstable();
    parts
}

/// Adds the pages of a mapped file that are not the file's any more.
fn written(pagemap: &File, mapping: &Mapping, left: &mut u64, parts: &mut Vec<(u64, u64)>) {
    let page = rustix::param::page_size() as u64;
    let mut at = mapping.start;
    let mut open: Option<(u64, u64)> = None;
    while at < mapping.end && *left > 0 {
        let count = ((mapping.end - at) / page).min(AT_ONCE).min(*left).max(1);
        *left -= count;
        let mut entries = vec![0; usize::try_from(count * 8).unwrap_or(0)];
        if pagemap.read_exact_at(&mut entries, at / page * 8).is_err() {
            break;
        }
        for entry in entries.chunks_exact(8) {
            let bits = u64::from_ne_bytes(entry.try_into().unwrap_or_default());
            let is_there = bits & (PRESENT | SWAPPED) != 0;
            let is_own = is_there && bits & OF_FILE == 0;
            match (&mut open, is_own) {
                (Some((_, end)), true) => *end = at + page,
                (None, true) => open = Some((at, at + page)),
                (_, false) => parts.extend(open.take()),
            }
            at += page;
        }
    }
    parts.extend(open);
}

/// The parts, which ascend, from an address on, and then those before it.
pub(super) fn from(parts: &[(u64, u64)], place: u64) -> Vec<(u64, u64)> {
    let after = parts.iter().map(|(start, end)| ((*start).max(place), *end));
    let before = parts.iter().map(|(start, end)| (*start, (*end).min(place)));
    after.chain(before).filter(|(start, end)| start < end).collect()
}
