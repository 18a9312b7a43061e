//! `repower bench submit`: how long a durable submission takes.

use std::process::Stdio;

use tokio::process::Command;

use super::figures::{Report, number};
use super::load::{TRUE, array, resident_mib, spawn_bare, submit};
use super::{BenchError, Common, cluster};
use crate::clock::Stopwatch;
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::render::Screen;

/// Options of `repower bench submit`.
#[derive(Debug, clap::Args)]
pub(super) struct Submit {
    /// Single submissions over one connection
    #[arg(long, value_name = "N", default_value_t = 1000)]
    calls: u32,
    /// Submissions from the command line, a process each
    #[arg(long, value_name = "N", default_value_t = 200)]
    commands: u32,
    /// Arrays
    #[arg(long, value_name = "N", default_value_t = 5)]
    arrays: u32,
    /// Tasks of an array
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    tasks: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Submit {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        // No agents: what is submitted waits, and nothing else happens.
        let cluster = cluster(&folder, 0, None, false, toml::Table::new()).await?;
        let client = cluster.client().await?;
        let scheduler = cluster.scheduler().expect("it has been started").id();
        submit(&client, array(1)).await?;
        screen.note("single submissions");
        let mut calls = Vec::new();
        for _ in 0..self.calls {
            let watch = Stopwatch::start();
            submit(&client, array(1)).await?;
            calls.push(watch.seconds() * 1e3);
        }
        screen.note("submissions from the command line");
        let (mut commands, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..self.commands {
            commands.push(from_command_line(&cluster).await? * 1e3);
            bare.push(spawn_bare(1, 1)? * 1e3);
        }
        screen.note("arrays");
        let (mut arrays, mut growth) = (Vec::new(), Vec::new());
        for _ in 0..self.arrays {
            let before = resident_mib(scheduler)?;
            let watch = Stopwatch::start();
            submit(&client, array(self.tasks)).await?;
            arrays.push(watch.seconds() * 1e3);
            growth.push(resident_mib(scheduler)? - before);
        }
        cluster.stop().await;
        let mut report = Report::new("submit", "durable, over TLS; no agents".to_owned());
        report.add("one call, warm connection", "ms", &calls);
        report.add("`repower submit`, process and all", "ms", &commands);
        report.add("bare spawn of true", "ms", &bare);
        report.add(format!("array of {} tasks", self.tasks), "ms", &arrays);
        report.add("growth of the scheduler by it", "MiB", &growth);
        let rate = number(u64::from(self.calls)) / (calls.iter().sum::<f64>() / 1e3);
        report.add("calls one after the other", "jobs/s", &[rate]);
        Ok(report)
    }
}

async fn from_command_line(cluster: &Cluster) -> Result<f64, BenchError> {
    let program = std::env::current_exe().map_err(|source| BenchError::NoProgram { source })?;
    let mut command = Command::new(program);
    command
        .args(["submit", "--quiet", "--class", "software-build", "--", TRUE])
        .env("REPOWER_PROFILE", cluster.profile_path())
        .stdin(Stdio::null());
    let watch = Stopwatch::start();
    let output = command.output().await;
    let seconds = watch.seconds();
    let output =
        output.map_err(|source| BenchError::NotLaunched { program: "repower".into(), source })?;
    if output.status.success() {
        return Ok(seconds);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BenchError::Command { command: "repower submit".into(), said })
}
