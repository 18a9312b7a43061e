//! `repower bench output`: a task that prints a gigabyte, and what that costs others.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use repower_proto::v1::{JobSpec, ListNodesRequest, LogsRequest, Resources, ShowJobRequest};

use super::figures::{Report, number};
use super::load::{TRUE, all_succeed, submit};
use super::{BenchError, Common, cluster};
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// How often it is asked when the agent was heard of.
const LOOK: Duration = Duration::from_millis(5);
/// For how long nothing runs, so that only heartbeats are heard.
const PAUSE: Duration = Duration::from_secs(3);

/// Options of `repower bench output`.
#[derive(Debug, clap::Args)]
pub(super) struct Output {
    /// What the task prints, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    size: u64,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    /// Short tasks, one after the other, with and without the flood
    #[arg(long, value_name = "N", default_value_t = 50)]
    tasks: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Output {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        let cluster = cluster(&folder, 1, Some(4), false, toml::Table::new()).await?;
        let client = cluster.client().await?;
        one(&client, command(&[TRUE])).await?;
        let bytes = self.size << 20;
        // Bytes that are printed as fast as they can be taken, and compress like text at best.
        let line = format!("head -c {bytes} /dev/zero");
        let (mut bare, mut ours, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        let (mut alone, mut beside, mut kept) = (Vec::new(), Vec::new(), Vec::new());
        let (mut silence, mut silence_beside) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            let seconds = pipe(&line)?;
            bare.push(mib(bytes) / seconds);
            let tasks = async {
                let mut all = Vec::new();
                for _ in 0..self.tasks {
                    all.push(one(&client, command(&[TRUE])).await? * 1e3);
                }
                // Nothing but heartbeats for a while.
                tokio::time::sleep(PAUSE).await;
                Ok(all)
            };
            let (tasks, silent) = heard(&client, tasks).await?;
            alone.extend(tasks);
            silence.push(silent);
            let watch = Stopwatch::start();
            let flood = submit(&client, command(&["/bin/sh", "-c", &line])).await?;
            let both = async {
                tokio::try_join!(
                    async { all_succeed(&client, flood).await.map(|()| watch.seconds()) },
                    short(&client, flood)
                )
            };
            let ((seconds, others), silent) = heard(&client, both).await?;
            beside.extend(others);
            silence_beside.push(silent);
            ours.push(mib(bytes) / seconds);
            ratio.push(mib(bytes) / seconds / bare[bare.len() - 1]);
            kept.push(mib(printed(&client, flood).await?));
            screen.note(format_args!(
                "round {}: {:.0} MiB/s, into a bare pipe {:.0} MiB/s",
                round + 1,
                ours[ours.len() - 1],
                bare[bare.len() - 1],
            ));
        }
        let marks = high_marks(&folder.path())?;
        cluster.stop().await;
        let what = format!("a task that prints {} MiB, beside short tasks", self.size);
        let mut report = Report::new("output", what);
        report.add("into a bare pipe", "MiB/s", &bare);
        report.add("as a task", "MiB/s", &ours);
        report.add("as a task / bare", "ratio", &ratio);
        report.add("a task of true, alone", "ms", &alone);
        report.add("a task of true, beside the flood", "ms", &beside);
        report.add("longest silence of the agent, otherwise", "ms", &silence);
        report.add("longest silence of the agent, beside the flood", "ms", &silence_beside);
        report.add("kept of it", "MiB", &kept);
        for (name, mib) in marks {
            report.add(format!("most memory of the {name}"), "MiB", &[mib]);
        }
        Ok(report)
    }
}

fn mib(bytes: u64) -> f64 {
    number(bytes) / number(1 << 20)
}

fn command(words: &[&str]) -> JobSpec {
    JobSpec {
        name: "bench".into(),
        job_class: "software-build".into(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        resources: Some(Resources { cpu_milli: 1000, ..Resources::default() }),
        ..JobSpec::default()
    }
}

/// Runs one task; returns the seconds from its submission to its end, which went over the agent's link and back.
async fn one(client: &Client, spec: JobSpec) -> Result<f64, Failure> {
    let watch = Stopwatch::start();
    all_succeed(client, submit(client, spec).await?).await?;
    Ok(watch.seconds())
}

/// Runs short tasks until another job has ended; returns the milliseconds of each.
async fn short(client: &Client, until: u64) -> Result<Vec<f64>, Failure> {
    let mut all = Vec::new();
    loop {
        all.push(one(client, command(&[TRUE])).await? * 1e3);
        let shown = client.jobs().show(ShowJobRequest { job: until }).await;
        let summary = shown.map_err(|status| client.refused(&status))?.into_inner().summary;
        if summary.is_none_or(|summary| summary.ended_ms > 0) {
            return Ok(all);
        }
    }
}

/// Waits for some work; returns the most milliseconds for which nothing was heard of the node meanwhile.
async fn heard<T>(
    client: &Client,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<(T, f64), Failure> {
    let mut work = std::pin::pin!(work);
    let mut look = tokio::time::interval(LOOK);
    let mut longest = 0;
    loop {
        tokio::select! {
            done = work.as_mut() => return Ok((done?, number(longest))),
            _ = look.tick() => {
                let nodes = client.nodes().list(ListNodesRequest {}).await;
                let nodes = nodes.map_err(|status| client.refused(&status))?.into_inner().nodes;
                longest = nodes.iter().filter_map(|node| node.heard_ms_ago).fold(longest, u64::max);
            }
        }
    }
}

/// How many bytes of a job's output are there.
async fn printed(client: &Client, job: u64) -> Result<u64, Failure> {
    let request = LogsRequest { job, ..LogsRequest::default() };
    let refused = |status| Failure::from(client.refused(&status));
    let mut stream = client.jobs().logs(request).await.map_err(refused)?.into_inner();
    let mut bytes = 0;
    while let Some(piece) = stream.message().await.map_err(refused)? {
        bytes += piece.data.len() as u64;
    }
    Ok(bytes)
}

/// Reads what a line of shell prints; returns the seconds that it took.
fn pipe(line: &str) -> Result<f64, BenchError> {
    let failed = |source| BenchError::NotLaunched { program: "/bin/sh".to_owned(), source };
    let watch = Stopwatch::start();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", line]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let mut out = child.stdout.take().expect("it was asked for");
    let mut buffer = vec![0; 64 << 10];
    while out.read(&mut buffer).map_err(failed)? > 0 {}
    child.wait().map_err(failed)?;
    Ok(watch.seconds())
}

/// The most memory that each of the cluster's processes has held, in MiB, by what it is.
fn high_marks(folder: &std::path::Path) -> Result<Vec<(String, f64)>, BenchError> {
    let not_read =
        |path: &std::path::Path| BenchError::NotRead { path: path.display().to_string() };
    let proc = std::path::Path::new("/proc");
    let mut marks = Vec::new();
    for entry in std::fs::read_dir(proc).map_err(|_| not_read(proc))?.flatten() {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split('\0');
        let name = words.nth(1).unwrap_or_default().to_owned();
        if !["scheduler", "agent", "executor"].contains(&name.as_str())
            || !line.contains(&*folder.to_string_lossy())
        {
            continue;
        }
        let path = entry.path().join("status");
        let status = std::fs::read_to_string(&path).map_err(|_| not_read(&path))?;
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = mark.and_then(|mark| mark.split_whitespace().next()?.parse::<u64>().ok());
        marks.push((name, number(kib.ok_or_else(|| not_read(&path))?) / 1024.0));
    }
    marks.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(marks)
}
