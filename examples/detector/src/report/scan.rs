//! The scanner over everything that can be executed on this machine.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use repower_agent_core::detect::patterns::{Hits, Patterns};

use crate::clock;

/// What the scan has given.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that are a proof-of-work function or a client of a pool.
    pub found: Vec<(PathBuf, Hits)>,
    /// Files with one or two constants, or one word.
    pub near: u64,
    /// Time in the scanner alone, without reading.
    pub time: Duration,
}

/// Scans the executables and libraries below `folders`, at most `most` bytes, without those in `except`.
pub fn run(folders: &[&Path], except: &[PathBuf], most: u64) -> Scanned {
    let patterns = Patterns::new();
    let mut scanned = Scanned::default();
    let mut buffer = vec![0; 1 << 20];
    let mut open: Vec<PathBuf> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    while let Some(path) = open.pop() {
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        if data.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().filter_map(Result::ok);
            open.extend(entries.map(|entry| entry.path()));
        } else if data.is_file() && scanned.bytes < most && !except.contains(&path) {
            file(&patterns, path, &mut buffer, &mut scanned);
        }
    }
    scanned
}

fn file(patterns: &Patterns, path: PathBuf, buffer: &mut [u8], scanned: &mut Scanned) {
    let Ok(mut file) = File::open(&path) else { return };
    let mut scan = patterns.scan();
    let mut is_first = true;
    while let Ok(count) = file.read(buffer) {
        if count == 0 {
            break;
        }
        if is_first && !buffer.starts_with(b"\x7fELF") {
            return;
        }
        is_first = false;
        let begun = clock::instant();
        scan.feed(&buffer[..count]);
        scanned.time += begun.elapsed();
        scanned.bytes += count as u64;
    }
    if is_first {
        return;
    }
    scanned.files += 1;
    let hits = scan.hits();
    if hits.is_proof_of_work() || hits.is_pool_client() {
        scanned.found.push((path, hits));
    } else if hits != Hits::default() {
        scanned.near += 1;
    }
}
