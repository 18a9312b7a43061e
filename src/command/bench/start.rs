//! `repower bench start`: from a submission to the start of its process.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;

use repower_proto::v1::JobSpec;
use rustix::fs::inotify;
use tokio::process::Command;

use super::figures::Report;
use super::load::{TRUE, all_succeed, array, submit};
use super::{BenchError, Common, cluster};
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::render::Screen;

/// Options of `repower bench start`.
#[derive(Debug, clap::Args)]
pub(super) struct Start {
    /// Submissions of each kind, one after the other, each when all before it have ended
    #[arg(long, value_name = "N", default_value_t = 200)]
    rounds: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Start {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        let cluster = cluster(&folder, 1, None, false, toml::Table::new()).await?;
        let client = cluster.client().await?;
        let program = folder.path().join("true");
        std::fs::copy(TRUE, &program).map_err(unwritten(&program))?;
        let program = program.display().to_string();
        let spec = JobSpec { command: vec![program.clone()], ..array(1) };
        all_succeed(&client, submit(&client, spec.clone()).await?).await?;
        let (mut bare, mut calls, mut commands) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds {
            if round % 50 == 0 {
                screen.note(format_args!("round {} of {}", round + 1, self.rounds));
            }
            bare.push(alone(&program).await? * 1e3);
            calls.push(called(&client, &spec).await? * 1e3);
            commands.push(commanded(&cluster, &client, &program).await? * 1e3);
        }
        cluster.stop().await;
        let mut report = Report::new("start", "an idle scheduler with an idle agent".to_owned());
        report.add("bare spawn to start", "ms", &bare);
        report.add("one call, warm connection, to start", "ms", &calls);
        report.add("`repower submit` to start", "ms", &commands);
        Ok(report)
    }
}

/// Seconds from a spawn to the start of the process.
async fn alone(program: &str) -> Result<f64, BenchError> {
    let watch = Stopwatch::start();
    let started = Started::of(program)?;
    let failed = |source| BenchError::NotLaunched { program: program.to_owned(), source };
    let mut child = Command::new(program).stdin(Stdio::null()).spawn().map_err(failed)?;
    let seconds = started.seconds(watch).await?;
    child.wait().await.map_err(failed)?;
    Ok(seconds)
}

/// Seconds from a submission over a connection that is there to the start of the process.
async fn called(client: &Client, spec: &JobSpec) -> Result<f64, Failure> {
    let program = spec.command.first().expect("it has one");
    let watch = Stopwatch::start();
    let started = Started::of(program)?;
    let job = submit(client, spec.clone()).await?;
    let seconds = started.seconds(watch).await?;
    all_succeed(client, job).await?;
    Ok(seconds)
}

/// Seconds from the launch of `repower submit` to the start of the process.
async fn commanded(cluster: &Cluster, client: &Client, program: &str) -> Result<f64, Failure> {
    let own = std::env::current_exe().map_err(|source| BenchError::NoProgram { source })?;
    let failed = |source| BenchError::NotLaunched { program: "repower".into(), source };
    let watch = Stopwatch::start();
    let started = Started::of(program)?;
    let child = Command::new(own)
        .args(["submit", "--quiet", "--class", "software-build", "--", program])
        .env("REPOWER_PROFILE", cluster.profile_path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let seconds = started.seconds(watch).await?;
    let output = child.wait_with_output().await.map_err(failed)?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let job = said.parse::<u64>().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        BenchError::Command { command: "repower submit".into(), said }
    })?;
    all_succeed(client, job).await?;
    Ok(seconds)
}

/// Tells when a program is opened, which is the first thing that its start does.
struct Started(OwnedFd);

impl Started {
    fn of(program: &str) -> Result<Self, BenchError> {
        let failed = |errno: rustix::io::Errno| unwritten(Path::new(program))(errno.into());
        let watch = inotify::init(inotify::CreateFlags::CLOEXEC).map_err(failed)?;
        inotify::add_watch(&watch, program, inotify::WatchFlags::OPEN).map_err(failed)?;
        Ok(Self(watch))
    }

    async fn seconds(self, watch: Stopwatch) -> Result<f64, BenchError> {
        let wait = move || {
            let mut event = [0_u8; 256];
            rustix::io::read(&self.0, &mut event).map(|_| watch.seconds())
        };
        let waited = tokio::task::spawn_blocking(wait).await.expect("it does not panic");
        waited.map_err(|errno| unwritten(Path::new("inotify"))(errno.into()))
    }
}

fn unwritten(path: &Path) -> impl Fn(std::io::Error) -> BenchError {
    move |source| BenchError::NotWritten { path: path.display().to_string(), source }
}
