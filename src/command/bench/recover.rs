//! `repower bench recover`: a scheduler is killed with many jobs queued.

use repower_proto::v1::{JobState, ListJobsRequest};
use tokio::task::JoinSet;

use super::figures::{Report, number};
use super::load::{array, resident_mib, spawn_bare, submit};
use super::{BenchError, Common, cluster};
use crate::client::Client;
use crate::clock::Stopwatch;
use crate::failure::Failure;
use crate::render::Screen;

/// Submissions under way at one time.
const AT_ONCE: u32 = 64;

/// Options of `repower bench recover`.
#[derive(Debug, clap::Args)]
pub(super) struct Recover {
    /// Jobs in the queue, one task each
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    jobs: u32,
    /// Times that the scheduler is killed
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: u32,
    #[command(flatten)]
    pub(super) common: Common,
}

impl Recover {
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Report, Failure> {
        let folder = self.common.folder()?;
        let mut cluster = cluster(&folder, 0, None, false, toml::Table::new()).await?;
        screen.note(format_args!("submitting {} jobs", self.jobs));
        let watch = Stopwatch::start();
        fill(&cluster.client().await?, self.jobs).await?;
        let rate = number(u64::from(self.jobs)) / watch.seconds();
        let (mut back, mut resident, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..self.rounds {
            bare.push(spawn_bare(1, 1)?);
            cluster.kill_scheduler().await;
            let watch = Stopwatch::start();
            cluster.start_scheduler().await?;
            let client = cluster.client().await?;
            first_page(&client).await?;
            back.push(watch.seconds());
            let scheduler = cluster.scheduler().expect("it has just been started").id();
            resident.push(resident_mib(scheduler)?);
            let (found, wanted) = (count(&client).await?, u64::from(self.jobs));
            if found != wanted {
                return Err(BenchError::Wrong { what: "jobs are queued", found, wanted }.into());
            }
            screen.note(format_args!(
                "round {}: {:.2} s, none lost",
                round + 1,
                back[back.len() - 1]
            ));
        }
        cluster.stop().await;
        let mut report = Report::new("recover", format!("kill -9 with {} jobs queued", self.jobs));
        report.add("submissions, 64 under way", "jobs/s", &[rate]);
        report.add("start to first answer", "s", &back);
        report.add("resident after it", "MiB", &resident);
        report.add("bare spawn of true", "s", &bare);
        Ok(report)
    }
}

async fn fill(client: &Client, jobs: u32) -> Result<(), Failure> {
    let mut under_way = JoinSet::new();
    for _ in 0..jobs {
        if under_way.len() >= AT_ONCE as usize {
            under_way
                .join_next()
                .await
                .transpose()
                .expect("a submission does not panic")
                .transpose()?;
        }
        let client = client.clone();
        under_way.spawn(async move { submit(&client, array(1)).await });
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("a submission does not panic")?;
    }
    Ok(())
}

async fn first_page(client: &Client) -> Result<(), Failure> {
    page(client, 0, 100).await.map(drop)
}

async fn page(client: &Client, before: u64, limit: u32) -> Result<(Vec<u64>, bool), Failure> {
    let states = vec![JobState::Pending.into(), JobState::Running.into(), JobState::Held.into()];
    let request = ListJobsRequest { states, before, limit, ..ListJobsRequest::default() };
    let reply = client.jobs().list(request).await.map_err(|status| client.refused(&status))?;
    let reply = reply.into_inner();
    Ok((reply.jobs.iter().map(|job| job.id).collect(), reply.more))
}

async fn count(client: &Client) -> Result<u64, Failure> {
    let (mut found, mut before) = (0, 0);
    loop {
        let (jobs, more) = page(client, before, 10_000).await?;
        found += jobs.len() as u64;
        before = jobs.last().copied().unwrap_or(0);
        if !more {
            return Ok(found);
        }
    }
}
