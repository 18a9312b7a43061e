//! `repower resubmit`.

use repower_proto::v1::ResubmitRequest;
use uuid::Uuid;

use super::submit::finish;
use super::wait::{self, Until};
use crate::arguments::Reach;
use crate::client::{Patience, is_lost};
use crate::failure::{Exit, Failure};
use crate::render::Screen;

/// Options of `repower resubmit`.
#[derive(Debug, clap::Args)]
pub struct Resubmit {
    /// Job whose tasks run again, as a new job
    #[arg(value_name = "JOB", value_parser = wait::job)]
    job: u64,
    /// Only tasks that failed or were cancelled
    #[arg(long)]
    failed: bool,
    #[command(flatten)]
    until: Until,
    /// Resubmitting again under the same key gives the same job [default: a new key]
    #[arg(long, value_name = "UUID", help_heading = "Waiting and repeating")]
    key: Option<Uuid>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Resubmit {
    /// Submits the new job, and waits for it if asked to.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let key = self.key.unwrap_or_else(Uuid::new_v4);
        let request =
            ResubmitRequest { job: self.job, key: key.as_bytes().to_vec(), failed: self.failed };
        let mut patience = Patience::of(super::submit::PATIENCE);
        let reply = loop {
            match client.jobs().resubmit(request.clone()).await {
                Ok(reply) => break reply.into_inner(),
                Err(status) if is_lost(&status) && patience.wait().await => {}
                Err(status) => return Err(client.refused(&status).into()),
            }
        };
        finish(&client, screen, &self.until, &reply, key).await
    }
}
