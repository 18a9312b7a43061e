//! `repower submit`.

mod files;
mod given;
mod job;
#[cfg(test)]
mod tests;

use std::time::Duration;

use repower_proto::v1::{SubmitReply, SubmitRequest};
use uuid::Uuid;

pub(super) use job::Job;

use super::wait::{Until, Waited};
use crate::arguments::Reach;
use crate::client::{Client, Patience, is_lost};
use crate::failure::{Exit, Failure};
use crate::render::quantity::count;
use crate::render::{Screen, json};

/// How long a submission is tried again after the line broke.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

const EXAMPLES: &str = "\
Examples:
  repower submit --class ai-training --cpus 2 -- ./train --lr 0.1
  repower submit --class sci-simulation --array 0-99%10 run.sh
  repower submit sweep.toml --wait --progress
  repower submit --class ai-training --input data/ --outputs 'out/*' train.sh
A script may say its options itself, in lines that begin with #REPOWER.";

/// Options of `repower submit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Submit {
    #[command(flatten)]
    job: Job,
    #[command(flatten)]
    until: Until,
    /// Submitting again under the same key gives the same job [default: a new key]
    #[arg(long, value_name = "UUID", help_heading = "Waiting and repeating")]
    key: Option<Uuid>,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Submit {
    /// Submits the job, and waits for it if asked to.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let Self { job, until, key, reach } = self;
        let (spec, uploads) = job.into_spec()?;
        let client = reach.connect(screen).await?;
        let quiet = screen.is_quiet() || screen.is_json();
        tokio::select! {
            sent = uploads.send(&client, quiet) => sent?,
            _ = tokio::signal::ctrl_c() => {
                screen.tell("interrupted: nothing is submitted, and what was sent stays: the same command goes on from there");
                return Ok(Exit::INTERRUPTED);
            }
        }
        let key = key.unwrap_or_else(Uuid::new_v4);
        let reply =
            send(&client, key, SubmitRequest { key: key.as_bytes().to_vec(), spec: Some(spec) })
                .await?;
        finish(&client, screen, &until, &reply, key).await
    }
}

/// Sends a submission; if the line breaks, once more under the same key, which gives the same job.
async fn send(client: &Client, key: Uuid, request: SubmitRequest) -> Result<SubmitReply, Failure> {
    let mut patience = Patience::of(PATIENCE);
    loop {
        match client.jobs().submit(request.clone()).await {
            Ok(reply) => return Ok(reply.into_inner()),
            Err(status) if is_lost(&status) => {
                if !patience.wait().await {
                    let hint = format!(
                        "it may have been submitted: the same with --key {key} makes it once"
                    );
                    return Err(client.refused(&status).with_hint(hint).into());
                }
            }
            Err(status) => return Err(client.refused(&status).into()),
        }
    }
}

/// Tells the job's number, and waits for its end if asked to.
pub(super) async fn finish(
    client: &Client,
    screen: &mut Screen,
    until: &Until,
    reply: &SubmitReply,
    key: Uuid,
) -> Result<Exit, Failure> {
    if screen.is_quiet() && !screen.is_json() {
        screen.line(reply.job)?;
    } else if !screen.is_json() {
        let again = if reply.created { "" } else { ", submitted before under this key" };
        screen.line(format_args!(
            "submitted job {} ({}{again})",
            reply.job,
            count(reply.tasks, "task")
        ))?;
        if !reply.hold.is_empty() {
            screen.note(format_args!("it waits: {} [{}]", reply.hold, reply.hold_code));
        }
    }
    screen.flush()?;
    if !until.wanted() {
        if screen.is_json() {
            screen.json(&json::Submitted::new(reply, key, None))?;
        }
        return Ok(Exit::OK);
    }
    match until.ended(client, screen, &[reply.job]).await? {
        Waited::Interrupted => Ok(Exit::INTERRUPTED),
        Waited::Ended(jobs) => {
            let job = jobs.first();
            if screen.is_json() {
                screen.json(&json::Submitted::new(reply, key, job))?;
            }
            Ok(super::wait::exit(&jobs))
        }
    }
}
