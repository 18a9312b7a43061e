//! `repower bench idle`: what a scheduler and an agent cost when nothing happens.

use std::time::Duration;

use repower_proto::v1::{JobSpec, WatchRequest};

use super::figures::Report;
use super::load::{all_succeed, array, cpu_seconds, own_mib, resident_mib, submit};
use super::{BenchError, Common, cluster};
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// Options of `repower bench idle`.
#[derive(Debug, clap::Args)]
pub(super) struct Idle {
    /// Seconds of each round
    #[arg(long, value_name = "S", default_value_t = 20)]
    seconds: u64,
    /// Rounds
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: u32,
    /// Tasks that only sleep, for as many rounds again
    #[arg(long, value_name = "N", default_value_t = 1000)]
    sleeps: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Idle {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        // As many slots as there are to be tasks that sleep: the machine does not notice.
        let slots = u64::from(self.sleeps.max(1));
        let cluster = cluster(&folder, 1, Some(slots), false, toml::Table::new()).await?;
        let client = cluster.client().await?;
        // As after real work: what it left behind counts.
        all_succeed(&client, submit(&client, array(100)).await?).await?;
        let ids = cluster.scheduler().zip(cluster.agent(0));
        let (scheduler, agent) = ids.map(|(one, other)| (one.id(), other.id())).expect("both run");
        let executor = cluster.executor(0).expect("the agent has started it");
        let seen = Seen { scheduler, agent, executor };
        let mut report =
            Report::new("idle", "one scheduler, one agent, after 100 tasks".to_owned());
        screen.note(format_args!("{} rounds of {} s of nothing", self.rounds, self.seconds));
        self.look(&seen, "", &mut report).await?;
        if self.sleeps > 0 {
            let command = vec!["/bin/sleep".into(), "100000".into()];
            let job = submit(&client, JobSpec { command, ..array(self.sleeps) }).await?;
            all_run(&client, job, self.sleeps).await?;
            screen.note(format_args!("the same while {} tasks sleep", self.sleeps));
            let beside = format!(", {} sleep", self.sleeps);
            self.look(&seen, &beside, &mut report).await?;
        }
        cluster.stop().await;
        Ok(report)
    }

    /// Looks at what the processes take for a while.
    async fn look(&self, seen: &Seen, beside: &str, report: &mut Report) -> Result<(), Failure> {
        let mut figures = [const { Vec::new() }; 6];
        for _ in 0..self.rounds {
            let before = (cpu_seconds(seen.scheduler)?, seen.node_seconds()?);
            let watch = Stopwatch::start();
            tokio::time::sleep(Duration::from_secs(self.seconds)).await;
            let seconds = watch.seconds();
            figures[0].push((cpu_seconds(seen.scheduler)? - before.0) * 100.0 / seconds);
            figures[1].push((seen.node_seconds()? - before.1) * 100.0 / seconds);
            figures[2].push(resident_mib(seen.scheduler)?);
            figures[3].push(resident_mib(seen.agent)?);
            figures[4].push(resident_mib(seen.executor)?);
            let own = own_mib(seen.agent)? + own_mib(seen.executor)?;
            let program = (figures[3].last().expect("just put there") - own_mib(seen.agent)?)
                .max(figures[4].last().expect("just put there") - own_mib(seen.executor)?);
            figures[5].push(own + program);
        }
        let names = [
            ("scheduler, of a core", "%"),
            ("agent and executor, of a core", "%"),
            ("scheduler, resident", "MiB"),
            ("agent, resident", "MiB"),
            ("executor, resident", "MiB"),
            ("both, their program once", "MiB"),
        ];
        for ((name, unit), values) in names.into_iter().zip(&figures) {
            report.add(format!("{name}{beside}"), unit, values);
        }
        Ok(())
    }
}

/// The processes that are looked at.
struct Seen {
    scheduler: u32,
    agent: u32,
    executor: u32,
}

impl Seen {
    fn node_seconds(&self) -> Result<f64, Failure> {
        Ok(cpu_seconds(self.agent)? + cpu_seconds(self.executor)?)
    }
}

/// Waits until all tasks of a job run.
async fn all_run(client: &Client, job: u64, tasks: u32) -> Result<(), Failure> {
    let watched = client.jobs().watch(WatchRequest { jobs: vec![job] }).await;
    let mut stream = watched.map_err(|status| client.refused(&status))?.into_inner();
    while let Some(job) = stream.message().await.map_err(|status| client.refused(&status))? {
        if job.running >= u64::from(tasks) {
            return Ok(());
        }
        if job.ended_ms > 0 {
            break;
        }
    }
    let wanted = u64::from(tasks);
    Err(BenchError::Wrong { what: "tasks run", found: 0, wanted }.into())
}
