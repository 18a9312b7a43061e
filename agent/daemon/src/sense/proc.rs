//! Bounded reads below `/proc`. A process may end at any moment: what is gone reads as nothing.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// The file `name` of a process.
pub(super) fn path(process: u32, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{process}/{name}"))
}

/// At most `most` bytes of a file of a process.
pub(super) fn read(process: u32, name: &str, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path(process, name))?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The fields of a `stat` file from the third (the state) on. The second may hold anything.
pub(super) fn stat_fields(bytes: &[u8]) -> Option<Vec<&str>> {
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(bytes.get(end + 2..)?).ok()?;
    Some(rest.split_ascii_whitespace().collect())
}

/// The value after `key` in a `status` or `io` file.
pub(super) fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| *name == key).map(|(_, value)| value.trim())
}

/// The names in a folder of `/proc` that are numbers, at most `most`.
pub(super) fn numbers(folder: &str, most: usize) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    names.take(most).collect()
}
