//! When each job started, under each policy, as CSV.

use std::io;
use std::path::{Path, PathBuf};

use repower_model::Span;

use crate::file;
use crate::replay::Replay;
use crate::trace::Workload;

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}", path.display())]
pub struct StartsError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Writes `job_id,submit,run,cpus,estimate,start_<policy>,..`: a row for each job in the order of
/// submission, times in seconds from the beginning of the trace. A task of a journal is `12.3`. A job that was given up has no
/// start.
///
/// # Errors
///
/// [`StartsError`] if the file cannot be written.
pub fn write_starts(
    path: &Path,
    workload: &Workload,
    replays: &[(&str, &Replay)],
) -> Result<(), StartsError> {
    file::replace(path, |out| write(out, workload, replays))
        .map_err(|source| StartsError { path: path.to_owned(), source })
}

/// Whether the file could be written, which is better known before a long replay than after it.
///
/// # Errors
///
/// [`StartsError`] if it could not.
pub fn check_starts(path: &Path) -> Result<(), StartsError> {
    file::probe(path).map_err(|source| StartsError { path: path.to_owned(), source })
}

fn write(
    out: &mut impl io::Write,
    workload: &Workload,
    replays: &[(&str, &Replay)],
) -> io::Result<()> {
    write!(out, "job_id,submit,run,cpus,estimate")?;
    for (name, _) in replays {
        write!(out, ",start_{}", name.replace('-', "_"))?;
    }
    writeln!(out)?;
    for (at, job) in workload.jobs.iter().enumerate() {
        let (submit, run) = (seconds(job.submit), seconds(job.run));
        let id =
            if workload.by_task { format!("{}.{}", job.id, job.index) } else { job.id.to_string() };
        write!(out, "{id},{submit},{run},{},{}", job.cpus, seconds(job.estimate))?;
        for (_, replay) in replays {
            let run = replay.runs[at];
            let start = if run.done { seconds(run.start) } else { String::new() };
            write!(out, ",{start}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Seconds, with a fraction only where there is one.
fn seconds(span: Span) -> String {
    let (whole, milli) = (span.as_millis() / 1000, span.as_millis() % 1000);
    if milli == 0 { whole.to_string() } else { format!("{whole}.{milli:03}") }
}
