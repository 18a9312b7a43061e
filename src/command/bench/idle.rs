//! `repower bench idle`: what a scheduler and an agent cost when nothing happens.

use std::time::Duration;

use super::figures::Report;
use super::load::{all_succeed, array, cpu_seconds, resident_mib, submit};
use super::{Common, cluster};
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
    #[command(flatten)]
    pub(super) common: Common,
}

impl Idle {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        let cluster = cluster(&folder, 1, None, false).await?;
        let client = cluster.client().await?;
        // As after real work: what it left behind counts.
        all_succeed(&client, submit(&client, array(100)).await?).await?;
        drop(client);
        let ids = cluster.scheduler().zip(cluster.agent(0));
        let (scheduler, agent) = ids.map(|(one, other)| (one.id(), other.id())).expect("both run");
        let executor = cluster.executor(0).expect("the agent has started it");
        let node_seconds = || Ok::<_, Failure>(cpu_seconds(agent)? + cpu_seconds(executor)?);
        let mut figures = [const { Vec::new() }; 5];
        for round in 0..self.rounds {
            screen.note(format_args!("round {}: {} s of nothing", round + 1, self.seconds));
            let before = (cpu_seconds(scheduler)?, node_seconds()?);
            let watch = Stopwatch::start();
            tokio::time::sleep(Duration::from_secs(self.seconds)).await;
            let seconds = watch.seconds();
            figures[0].push((cpu_seconds(scheduler)? - before.0) * 100.0 / seconds);
            figures[1].push((node_seconds()? - before.1) * 100.0 / seconds);
            figures[2].push(resident_mib(scheduler)?);
            figures[3].push(resident_mib(agent)?);
            figures[4].push(resident_mib(executor)?);
        }
        cluster.stop().await;
        let mut report =
            Report::new("idle", "one scheduler, one agent, after 100 tasks".to_owned());
        report.add("scheduler, of a core", "%", &figures[0]);
        report.add("agent and executor, of a core", "%", &figures[1]);
        report.add("scheduler, resident", "MiB", &figures[2]);
        report.add("agent, resident", "MiB", &figures[3]);
        report.add("executor, resident", "MiB", &figures[4]);
        Ok(report)
    }
}
