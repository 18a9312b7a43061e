//! Looks at everything that can be executed below some folders, as the scheduler looks at what jobs bring
//! along, and says what was found, in how many files and bytes, and how fast.
//!
//! `cargo run --release -p repower-admission --example scan -- /usr /lib /opt`
//!
//! Programs and libraries are files that begin as ELF, scripts those that begin with `#!`; a file with several names
//! counts once, links are not followed. Everything is looked at on one thread and from memory, so the rate is that of the look
//! on one core and not that of the disk: by the clock, and by the time that the kernel gave to the thread, which is the one that other
//! programs on the machine do not lower. The exit code is 1 if anything was found.
#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures")]
#![expect(clippy::cast_precision_loss, reason = "a rate is shown without digits")]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use repower_admission::{Limits, files};
use repower_model::Sign;
use repower_patterns::Patterns;

/// A file below this says more about the clock than about the look.
const LARGE: u64 = 1 << 20;

#[derive(Default)]
struct Sum {
    programs: u64,
    scripts: u64,
    bytes: u64,
    wall: Duration,
    /// What the kernel gave to the thread; none where it does not say.
    on_core: Option<Duration>,
    /// Of large files, in megabytes a second by the clock.
    rates: Vec<f64>,
    found: Vec<String>,
    unread: Vec<String>,
    seen: BTreeSet<(u64, u64)>,
}

fn main() -> ExitCode {
    let folders: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if folders.is_empty() {
        println!("name at least one folder, for example /usr");
        return ExitCode::from(2);
    }
    let patterns = Patterns::new();
    let mut sum = Sum { on_core: on_core().map(|_| Duration::ZERO), ..Sum::default() };
    let mut open = folders;
    while let Some(path) = open.pop() {
        if let Err(error) = visit(&patterns, &path, &mut open, &mut sum) {
            sum.unread.push(format!("{}: {error}", path.display()));
        }
    }
    tell(&mut sum);
    ExitCode::from(u8::from(!sum.found.is_empty()))
}

fn visit(
    patterns: &Patterns,
    path: &Path,
    open: &mut Vec<PathBuf>,
    sum: &mut Sum,
) -> io::Result<()> {
    let data = fs::symlink_metadata(path)?;
    if data.is_dir() {
        for entry in fs::read_dir(path)? {
            open.push(entry?.path());
        }
        return Ok(());
    }
    if !data.is_file() {
        return Ok(());
    }
    let mut head = [0; 4];
    let length = File::open(path)?.read(&mut head)?;
    let is_program = head == *b"\x7fELF";
    let is_script = head[..length].starts_with(b"#!");
    if !(is_program || is_script) || !sum.seen.insert((data.dev(), data.ino())) {
        return Ok(());
    }
    sum.programs += u64::from(is_program);
    sum.scripts += u64::from(is_script);
    look(patterns, path, sum)
}

fn look(patterns: &Patterns, path: &Path, sum: &mut Sum) -> io::Result<()> {
    let mut source = io::Cursor::new(fs::read(path)?);
    let (begun, given) = (Instant::now(), on_core());
    let looked = files(patterns, &mut source, true, &Limits::default(), &|| false)?;
    let wall = begun.elapsed();
    let given = given.zip(on_core()).map(|(before, after)| after.saturating_sub(before));
    sum.on_core = sum.on_core.zip(given).map(|(sum, given)| sum + given);
    sum.wall += wall;
    sum.bytes += looked.bytes;
    if looked.bytes >= LARGE {
        sum.rates.push(rate(looked.bytes, wall));
    }
    for mark in looked.marks {
        let line = format!("{}: {} {}", path.display(), mark.place, mark.detail);
        let list = if mark.sign == Sign::Unread { &mut sum.unread } else { &mut sum.found };
        list.push(line);
    }
    Ok(())
}

/// How long this thread has been on a core, as the kernel counts it.
fn on_core() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// Megabytes a second.
fn rate(bytes: u64, time: Duration) -> f64 {
    bytes as f64 / 1e6 / time.as_secs_f64().max(1e-9)
}

fn tell(sum: &mut Sum) {
    let files = sum.programs + sum.scripts;
    println!(
        "{files} files ({} programs and libraries, {} scripts), {} bytes",
        sum.programs, sum.scripts, sum.bytes
    );
    println!("{} found, {} not looked into", sum.found.len(), sum.unread.len());
    let on_core = sum.on_core.map_or("unknown".to_owned(), |time| {
        format!("{:.0} MB/s ({:.2} s)", rate(sum.bytes, time), time.as_secs_f64())
    });
    println!(
        "one thread: {:.0} MB/s by the clock ({:.2} s), {on_core} by its time on a core",
        rate(sum.bytes, sum.wall),
        sum.wall.as_secs_f64()
    );
    sum.rates.sort_by(f64::total_cmp);
    if let (Some(least), Some(most)) = (sum.rates.first(), sum.rates.last()) {
        let median = sum.rates[sum.rates.len() / 2];
        println!(
            "each of the {} files of 1 MiB or more, by the clock: median {median:.0} MB/s, {least:.0} to {most:.0}",
            sum.rates.len()
        );
    }
    // Zero found in n files bounds the rate of false alarms by the rule of three.
    if sum.found.is_empty() && files > 0 {
        println!("false alarms: at most {:.4} % of files (3/n, 95 %)", 300.0 / files as f64);
    }
    for line in &sum.found {
        println!("found: {line}");
    }
    for line in &sum.unread {
        println!("not looked into: {line}");
    }
}
