//! `repower review`.

use repower_proto::v1::ReviewRequest;
use serde::Serialize;

use super::wait;
use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::render::Screen;

const EXAMPLES: &str = "\
Examples:
  repower review 12 --approve --reason 'read the script: it sorts'
  repower review 12 --deny --reason 'nobody knows where the data is from'
Without a reason nothing is decided.";

/// Options of `repower review`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = EXAMPLES,
    group = clap::ArgGroup::new("decision").required(true).args(["approve", "deny"])
)]
pub struct Review {
    /// Job that waits for a review
    #[arg(value_name = "JOB", value_parser = wait::job)]
    job: u64,
    /// Let it run
    #[arg(long)]
    approve: bool,
    /// End it: its tasks never start
    #[arg(long)]
    deny: bool,
    /// Why; it is kept in the ledger under your name
    #[arg(long, short)]
    reason: String,
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Serialize)]
struct Document {
    job: u64,
    approved: bool,
}

impl Review {
    /// Decides about the job.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let approved = self.approve && !self.deny;
        let request = ReviewRequest { job: self.job, approve: approved, reason: self.reason };
        client.jobs().review(request).await.map_err(|status| client.refused(&status))?;
        if screen.is_json() {
            screen.json(&Document { job: self.job, approved })?;
        } else if !screen.is_quiet() {
            screen.line(format_args!(
                "job {} is {}",
                self.job,
                if approved { "approved" } else { "denied" }
            ))?;
        }
        Ok(Exit::OK)
    }
}
