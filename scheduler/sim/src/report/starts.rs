//! When each job started, under each policy, as CSV.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use repower_model::Span;

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
    let failed = |source| StartsError { path: path.to_owned(), source };
    let mut out = BufWriter::new(File::create(path).map_err(failed)?);
    write(&mut out, workload, replays).and_then(|()| out.flush()).map_err(failed)
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
