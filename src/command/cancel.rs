//! `repower cancel`.

use repower_proto::v1::{CancelReply, CancelRequest};
use serde::Serialize;

use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::Selection;
use crate::render::quantity::count;
use crate::render::{self, Screen, json};

/// Options of `repower cancel`.
#[derive(Debug, clap::Args)]
pub struct Cancel {
    /// Jobs or some of their tasks: 12, 12.3, 12.0-9
    #[arg(value_name = "JOB", required = true)]
    what: Vec<Selection>,
    /// Why, for the ledger and whoever asks
    #[arg(long, short, default_value = "", hide_default_value = true)]
    reason: String,
    /// Also end, in the books, what is on nodes out of touch; it may still run there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pub(super) reach: Reach,
}

#[derive(Serialize)]
struct Document {
    cancelled: Vec<json::Cancelled>,
    refused: Vec<Refused>,
}

/// What was not cancelled, and why.
#[derive(Serialize)]
struct Refused {
    job: u64,
    tasks: Option<String>,
    message: String,
    code: Option<String>,
    hint: Option<String>,
}

impl Cancel {
    /// Cancels one after the other. What is refused is told, and the others are cancelled all the
    /// same; it exits as the first refusal does.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let (mut cancelled, mut refused, mut exit) = (Vec::new(), Vec::new(), Exit::OK);
        for what in &self.what {
            let (job, reason, force) = (what.job, self.reason.clone(), self.force);
            let request = CancelRequest { job, tasks: what.ranges(), reason, force };
            let reply = match client.jobs().cancel(request).await {
                Ok(reply) => reply.into_inner(),
                Err(status) => {
                    let failure = Failure::from(client.refused(&status));
                    let of_all = [Exit::UNREACHABLE, Exit::DENIED].contains(&failure.exit());
                    let is_first = cancelled.is_empty() && refused.is_empty();
                    if self.what.len() == 1 || of_all && (is_first || !screen.is_json()) {
                        return Err(failure);
                    }
                    refused.push(Refused {
                        job: what.job,
                        tasks: what.tasks.as_ref().map(ToString::to_string),
                        message: failure.message(),
                        code: failure.code().map(str::to_owned),
                        hint: failure.hint(),
                    });
                    if !screen.is_json() {
                        screen.flush()?;
                        render::failure::tell(screen, &failure);
                    }
                    exit = if exit == Exit::OK { failure.exit() } else { exit };
                    if of_all {
                        break;
                    }
                    continue;
                }
            };
            if !screen.is_json() && !screen.is_quiet() {
                screen.line(sentence(what, &reply))?;
            }
            cancelled.push(json::Cancelled {
                job: what.job,
                tasks: what.tasks.as_ref().map(ToString::to_string),
                pending: reply.pending,
                stopping: reply.stopping,
                out_of_touch: reply.out_of_touch,
                given_up: reply.given_up,
            });
        }
        if screen.is_json() {
            screen.json(&Document { cancelled, refused })?;
        }
        Ok(exit)
    }
}

fn sentence(what: &Selection, reply: &CancelReply) -> String {
    let CancelReply { pending, stopping, given_up, out_of_touch } = *reply;
    let told = match (pending, stopping) {
        (0, 0) if out_of_touch == 0 => format!("{what}: nothing was left to cancel"),
        (0, 0) => format!("{what}: nothing more was left to cancel"),
        (pending, 0) => format!("{what}: {} cancelled before starting", count(pending, "task")),
        (0, stopping) => format!("{what}: {} being stopped", count(stopping, "task")),
        (pending, stopping) => {
            format!(
                "{what}: {} cancelled before starting, {stopping} being stopped",
                count(pending, "task")
            )
        }
    };
    match (out_of_touch, given_up) {
        (0, _) => told,
        (away, 0) => format!(
            "{told}; {} on nodes out of touch, stopped when they are back (--force does not wait)",
            count(away, "process")
        ),
        (_, gone) => format!(
            "{told}; {} on nodes out of touch ended in the books, and may still run there",
            count(gone, "process")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pending: u64, stopping: u64, out_of_touch: u64, given_up: u64) -> String {
        let what: Selection = "12.0-9".parse().expect("good");
        sentence(&what, &CancelReply { pending, stopping, given_up, out_of_touch })
    }

    #[test]
    fn what_was_cancelled_is_told_by_what_became_of_it() {
        let some = told(7, 3, 0, 0);
        assert_eq!(some, "12.0-9: 7 tasks cancelled before starting, 3 being stopped");
        assert_eq!(told(0, 1, 0, 0), "12.0-9: 1 task being stopped");
        assert_eq!(told(0, 0, 0, 0), "12.0-9: nothing was left to cancel");
    }

    #[test]
    fn what_nobody_can_reach_is_told_apart() {
        assert_eq!(
            told(0, 2, 1, 0),
            "12.0-9: 2 tasks being stopped; 1 process on nodes out of touch, stopped when they are \
             back (--force does not wait)"
        );
        assert_eq!(
            told(0, 2, 1, 1),
            "12.0-9: 2 tasks being stopped; 1 process on nodes out of touch ended in the books, and \
             may still run there"
        );
    }
}
