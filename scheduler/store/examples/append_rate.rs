//! Measures what durable appends cost, by the size of a batch, and prints a table.
//!
//! ```text
//! cargo run --release -p repower-store --example append_rate -- [FOLDER] [ROUNDS]
//! ```
//!
//! A task is three facts of 60 bytes and one row of an attempt; every batch is one commit, synced to the disk. Then:
//! opening that ledger, proofs from it, verifying it, and a chunk of output a task.
#![expect(clippy::print_stdout, reason = "it prints a table")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use repower_model::{AttemptId, Fault, JobId, NodeId, Outcome, Sequel, TaskId, Timestamp, Usage};
use repower_store::journal::{Entry, Journal as _, Ledger as _};
use repower_store::output::{Chunk, Output, Stream};
use repower_store::rows::{AttemptEnded, AttemptPlaced, Row};
use repower_store::sqlite::Journal;
use repower_store::verify::{Verifier, verify};

const ORIGIN: &str = "repower.example/append-rate";

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder =
        arguments.next().map_or_else(std::env::temp_dir, PathBuf::from).join("repower-append-rate");
    let rounds = arguments.next().map_or(Ok(200), |text| text.parse())?;
    println!(
        "{:>6}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}",
        "tasks", "n", "min", "median", "max", "a task"
    );
    for tasks in [1, 10, 100, 1000] {
        let mut journal = Journal::open(&folder, ORIGIN)?;
        let times = measure(rounds, |round| append(&mut journal, tasks, round))?;
        show(&format!("{tasks}"), tasks, times);
        drop(journal);
        std::fs::remove_dir_all(&folder)?;
    }
    let mut journal = Journal::open(&folder, ORIGIN)?;
    measure(rounds, |round| append(&mut journal, 1000, round))?;
    drop(journal);
    read(&folder)?;
    output(&folder, rounds)?;
    Ok(std::fs::remove_dir_all(&folder)?)
}

/// Appends the facts of so many tasks in one batch; returns how long the append took.
fn append(journal: &mut Journal, tasks: u32, round: u32) -> Result<Duration, Box<dyn Error>> {
    let size = journal.head().size;
    let entries: Vec<_> = (size..size + 3 * u64::from(tasks)).map(entry).collect();
    let rows: Vec<_> = (0..tasks).map(|task| row(round * tasks + task)).collect();
    let before = Instant::now();
    journal.append(&entries, &rows, Timestamp::from_millis(0))?;
    Ok(before.elapsed())
}

fn entry(seq: u64) -> Entry {
    let mut body = seq.to_be_bytes().to_vec();
    body.resize(60, b'.');
    Entry { seq, body }
}

fn attempt(index: u32) -> AttemptId {
    AttemptId { task: TaskId { job: JobId(1), index }, number: 1 }
}

fn row(index: u32) -> Row {
    let at = Timestamp::from_millis(1_700_000_000_000);
    let placed = AttemptPlaced {
        id: attempt(index),
        node: NodeId(7),
        node_name: "node-7".to_owned(),
        placed: at,
    };
    Row::AttemptEnded(Box::new(AttemptEnded {
        placed,
        outcome: Outcome::Exited { code: 0 },
        fault: Fault::None,
        sequel: Sequel::Succeeded,
        started: Some(at),
        ended: at,
        usage: Usage {
            wall_us: 1234,
            cpu_us: 1000,
            peak_memory_bytes: 1 << 20,
            ..Usage::default()
        },
    }))
}

/// What is done with a ledger once it is large.
fn read(folder: &Path) -> Result<(), Box<dyn Error>> {
    let before = Instant::now();
    let journal = Journal::open(folder, ORIGIN)?;
    let size = journal.head().size;
    println!("\n{size} facts");
    println!("{:<30}  {:>9.1?}", "open", before.elapsed());
    let before = Instant::now();
    journal.inclusion(size / 3, size)?;
    println!("{:<30}  {:>9.1?}", "inclusion proof", before.elapsed());
    let before = Instant::now();
    journal.consistency(size / 3, size)?;
    println!("{:<30}  {:>9.1?}", "consistency proof", before.elapsed());
    let key = journal.verifier().clone();
    let seq_of = |body: &[u8]| Some(u64::from_be_bytes(*body.first_chunk::<8>()?));
    let before = Instant::now();
    let report = verify(&journal.reader(), Verifier::new(&key, &seq_of), |_| ())?;
    println!("{:<30}  {:>9.1?}  holds: {}", "verification", before.elapsed(), report.holds());
    let mut journal = journal;
    let before = Instant::now();
    journal.append(&[entry(size)], &[], Timestamp::from_millis(0))?;
    println!("{:<30}  {:>9.1?}", "one more fact", before.elapsed());
    Ok(())
}

fn output(folder: &Path, rounds: u32) -> Result<(), Box<dyn Error>> {
    let mut output = Output::open(folder)?;
    println!(
        "\n{:>6}  {:>6}  {:>9}  {:>9}  {:>9}  {:>9}",
        "chunks", "n", "min", "median", "max", "a chunk"
    );
    for chunks in [1, 100, 1000] {
        let times = measure(rounds, |round| {
            let chunk = |index| Chunk {
                rank: attempt((chunks * rounds + round) * chunks + index).rank(0),
                stream: Stream::Stdout,
                start: 0,
                missing: 0,
                bytes: vec![b'.'; 100],
            };
            let batch: Vec<_> = (0..chunks).map(chunk).collect();
            let before = Instant::now();
            output.append(&batch, u64::MAX, Timestamp::from_millis(0))?;
            Ok(before.elapsed())
        })?;
        show(&format!("{chunks}"), chunks, times);
    }
    Ok(())
}

fn measure(
    rounds: u32,
    mut once: impl FnMut(u32) -> Result<Duration, Box<dyn Error>>,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    (0..rounds).map(&mut once).collect()
}

fn show(name: &str, tasks: u32, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (n, median) = (times.len(), times[times.len() / 2]);
    let (min, max) = (times[0], times[n - 1]);
    println!(
        "{name:>6}  {n:>6}  {min:>9.1?}  {median:>9.1?}  {max:>9.1?}  {:>9.2?}",
        median / tasks
    );
}
