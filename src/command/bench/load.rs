//! What a benchmark puts on the machine, and what that costs.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use repower_proto::v1::{
    Array, IndexRange, JobSpec, JobState, Resources, SubmitRequest, WatchRequest,
};
use uuid::Uuid;

use super::BenchError;
use super::figures::number;
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::failure::Failure;

/// The shortest program there is.
pub(super) const TRUE: &str = "/bin/true";

/// Launches `count` processes of [`TRUE`] from `parallel` loops, as fast as the system allows, and
/// returns the seconds that it took. `std` uses `posix_spawn` here.
pub(super) fn spawn_bare(count: u64, parallel: u64) -> Result<f64, BenchError> {
    let left = AtomicU64::new(count);
    let watch = Stopwatch::start();
    let one = || -> Result<(), BenchError> {
        let failed = |source| BenchError::NotLaunched { program: TRUE.to_owned(), source };
        let take = |left: u64| left.checked_sub(1);
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok() {
            let mut command = Command::new(TRUE);
            command.stdin(Stdio::null()).status().map_err(failed)?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let loops: Vec<_> = (0..parallel).map(|_| scope.spawn(one)).collect();
        loops.into_iter().try_for_each(|handle| handle.join().expect("the loop does not panic"))
    })?;
    Ok(watch.seconds())
}

/// An array of `count` tasks of [`TRUE`], each on one processor.
pub(super) fn array(count: u32) -> JobSpec {
    let ranges = vec![IndexRange { first: 0, last: count.saturating_sub(1), step: 1 }];
    JobSpec {
        name: "bench".into(),
        job_class: "software-build".into(),
        command: vec![TRUE.into()],
        array: Some(Array { ranges, limit: 0 }),
        resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
        ..JobSpec::default()
    }
}

/// Submits a job and returns its id.
pub(super) async fn submit(client: &Client, spec: JobSpec) -> Result<u64, Failure> {
    let key = Uuid::new_v4().as_bytes().to_vec();
    let reply = client.jobs().submit(SubmitRequest { key, spec: Some(spec) }).await;
    Ok(reply.map_err(|status| client.refused(&status))?.into_inner().job)
}

/// Waits until a job has ended, and checks that all of its tasks have succeeded.
pub(super) async fn all_succeed(client: &Client, job: u64) -> Result<(), Failure> {
    let watched = client.jobs().watch(WatchRequest { jobs: vec![job] }).await;
    let mut stream = watched.map_err(|status| client.refused(&status))?.into_inner();
    while let Some(job) = stream.message().await.map_err(|status| client.refused(&status))? {
        match job.state() {
            JobState::Succeeded => return Ok(()),
            JobState::Failed | JobState::Cancelled => {
                let (found, wanted) = (job.succeeded, job.tasks);
                return Err(BenchError::Wrong { what: "tasks succeeded", found, wanted }.into());
            }
            JobState::Unspecified | JobState::Held | JobState::Pending | JobState::Running => {}
        }
    }
    Err(BenchError::Wrong { what: "ends of the job were seen", found: 0, wanted: 1 }.into())
}

/// User and system time that a process has used, in seconds, without its children.
pub(super) fn cpu_seconds(process: u32) -> Result<f64, BenchError> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    // After the name in parentheses: state is field 3, utime 14, stime 15. See proc(5).
    let rest = text.rsplit(')').next().unwrap_or_default();
    let fields: Vec<u64> = rest.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
    match fields.get(11).zip(fields.get(12)) {
        Some((user, system)) => {
            Ok(number(user + system) / number(rustix::param::clock_ticks_per_second()))
        }
        None => Err(BenchError::NotRead { path }),
    }
}

/// What a process holds of main memory, in MiB.
pub(super) fn resident_mib(process: u32) -> Result<f64, BenchError> {
    let (resident, _) = pages(process)?;
    Ok(mib(resident))
}

/// What a process holds of main memory beside pages of files, in MiB: those are its program, and others
/// that run it hold the same.
pub(super) fn own_mib(process: u32) -> Result<f64, BenchError> {
    let (resident, of_files) = pages(process)?;
    Ok(mib(resident.saturating_sub(of_files)))
}

/// The pages that a process holds, and how many of them are of files or shared.
fn pages(process: u32) -> Result<(u64, u64), BenchError> {
    let path = format!("/proc/{process}/statm");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut fields = text.split_whitespace().skip(1).map_while(|word| word.parse::<u64>().ok());
    fields.next().zip(fields.next()).ok_or(BenchError::NotRead { path })
}

fn mib(pages: u64) -> f64 {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    number(pages * page) / number(1 << 20)
}
