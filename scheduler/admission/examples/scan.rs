//! Looks at everything that can be executed below some folders, as the scheduler looks at what jobs bring
//! along, and says what was found, in how many files and bytes, and how fast.
//!
//! `cargo run --release -p repower-admission --example scan -- /usr /lib /opt`
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::cast_precision_loss, reason = "a rate is shown without digits")]

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use repower_admission::{Limits, files};
use repower_patterns::Patterns;

#[derive(Default)]
struct Sum {
    files: u64,
    bytes: u64,
    unread: u64,
    time: Duration,
    found: Vec<String>,
}

fn main() {
    let patterns = Patterns::new();
    let mut sum = Sum::default();
    let mut open: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    while let Some(path) = open.pop() {
        let Ok(data) = fs::symlink_metadata(&path) else { continue };
        if data.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().filter_map(Result::ok);
            open.extend(entries.map(|entry| entry.path()));
        } else if data.is_file() && is_program(&path) {
            look(&patterns, &path, &mut sum);
        }
    }
    let rate = sum.bytes as f64 / 1e6 / sum.time.as_secs_f64().max(1e-9);
    println!(
        "{} files, {} bytes, {} found, {} not looked into, {rate:.0} MB/s on one core",
        sum.files,
        sum.bytes,
        sum.found.len(),
        sum.unread
    );
    for line in sum.found {
        println!("{line}");
    }
}

fn is_program(path: &Path) -> bool {
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head == *b"\x7fELF"
}

fn look(patterns: &Patterns, path: &Path, sum: &mut Sum) {
    // From memory: it is the look that is measured, not the disk.
    let Ok(bytes) = fs::read(path) else { return };
    let begun = Instant::now();
    let mut source = io::Cursor::new(bytes);
    let looked = files(patterns, &mut source, true, &Limits::default(), &|| false);
    sum.time += begun.elapsed();
    sum.files += 1;
    match looked {
        Ok(looked) => {
            sum.bytes += looked.bytes;
            for mark in looked.marks {
                sum.found.push(format!("{}: {} {}", path.display(), mark.place, mark.detail));
            }
        }
        Err(_) => sum.unread += 1,
    }
}
