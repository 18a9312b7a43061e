//! `repower bench dispatch`: tasks of `true`, end to end.

use repower_proto::v1::Resources;

use super::figures::{Report, number};
use super::load::{all_succeed, array, cpu_seconds, spawn_bare, submit};
use super::{Common, cluster};
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// Slots of the agent that starts no process.
const SLOTS: u64 = 512;

/// Options of `repower bench dispatch`.
#[derive(Debug, clap::Args)]
pub(super) struct Dispatch {
    /// Tasks in a round [default: 10000, or 100000 with --no-exec]
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,
    /// Rounds, each beside a bare loop
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    /// Tasks at a time, and loops of the baseline [default: 2]
    #[arg(long, value_name = "N", default_value_t = 2)]
    parallel: u64,
    /// Let the agent start no process: what is left is Repower itself
    #[arg(long, conflicts_with = "limits")]
    no_exec: bool,
    /// Give each task limits of memory and of processes of its own
    #[arg(long)]
    limits: bool,
    /// Give tasks no control group at all, not even the one for their number of processes
    #[arg(long, conflicts_with = "limits")]
    no_groups: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Dispatch {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let tasks = self.tasks.unwrap_or(if self.no_exec { 100_000 } else { 10_000 });
        let (slots, how) = if self.no_exec {
            (SLOTS, format!("no process is started, {SLOTS} slots"))
        } else if self.limits {
            (self.parallel, format!("{} at a time, memory and processes limited", self.parallel))
        } else if self.no_groups {
            (self.parallel, format!("{} at a time, without control groups", self.parallel))
        } else {
            (self.parallel, format!("{} at a time", self.parallel))
        };
        let work = |count| {
            let mut spec = array(count);
            if self.limits {
                let memory_bytes = 64 << 20;
                spec.resources = spec.resources.map(|asked| Resources { memory_bytes, ..asked });
                spec.pids = 16;
            }
            spec
        };
        let folder = self.common.folder()?;
        let cluster = cluster(&folder, 1, Some(slots), self.no_exec, self.more()).await?;
        let client = cluster.client().await?;
        // A first round that is not counted: caches, files and the pace of such tasks.
        all_succeed(&client, submit(&client, work(tasks.min(1000))).await?).await?;
        let ids = cluster.scheduler().zip(cluster.agent(0));
        let (scheduler, agent) = ids.map(|(one, other)| (one.id(), other.id())).expect("both run");
        let executor = cluster.executor(0).expect("the agent has started it");
        let node_seconds = || Ok::<_, Failure>(cpu_seconds(agent)? + cpu_seconds(executor)?);
        let (mut bare, mut ours, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        let (mut scheduler_us, mut agent_us) = (Vec::new(), Vec::new());
        for round in 0..self.rounds {
            let count = number(u64::from(tasks));
            let baseline = u64::from(tasks).min(10_000);
            let parallel = self.parallel;
            let spawned = tokio::task::spawn_blocking(move || spawn_bare(baseline, parallel)).await;
            let bare_rate = number(baseline) / spawned.expect("the loop does not panic")?;
            let before = (cpu_seconds(scheduler)?, node_seconds()?);
            let watch = Stopwatch::start();
            all_succeed(&client, submit(&client, work(tasks)).await?).await?;
            let rate = count / watch.seconds();
            scheduler_us.push((cpu_seconds(scheduler)? - before.0) * 1e6 / count);
            agent_us.push((node_seconds()? - before.1) * 1e6 / count);
            screen.note(format_args!(
                "round {}: {rate:.0} tasks/s, bare {bare_rate:.0}/s",
                round + 1
            ));
            bare.push(bare_rate);
            ours.push(rate);
            ratio.push(rate / bare_rate);
        }
        cluster.stop().await;
        let mut report = Report::new("dispatch", format!("{tasks} tasks of true a round, {how}"));
        report.add(format!("bare spawn loop, {} at a time", self.parallel), "tasks/s", &bare);
        report.add("end to end", "tasks/s", &ours);
        report.add("end to end / bare", "ratio", &ratio);
        report.add("processor time of the scheduler", "us/task", &scheduler_us);
        report.add("processor time of agent and executor", "us/task", &agent_us);
        Ok(report)
    }

    /// More options of the agent.
    fn more(&self) -> toml::Table {
        let pids = self.no_groups.then(|| ("task-pids".to_owned(), toml::Value::from(0)));
        pids.into_iter().collect()
    }
}
