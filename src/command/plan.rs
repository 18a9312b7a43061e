//! `repower plan`: what would come of a submission.

use jiff::tz::TimeZone;
use repower_proto::v1::{PlanReply, PlanRequest};

use super::submit::Job;
use super::why;
use crate::arguments::Reach;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::render::quantity::count;
use crate::render::{Screen, json};

const EXAMPLES: &str = "\
Examples:
  repower plan --class ai-training --cpus 16 --time-limit 2h -- ./train
  repower plan run.sh
It takes what `submit` takes, and changes nothing: a job that would be refused
is refused here.";

/// Options of `repower plan`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Plan {
    #[command(flatten)]
    job: Job,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Plan {
    /// Tells whether the job would be accepted, and where and when it would start.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let (spec, _) = self.job.into_spec()?;
        let client = self.reach.connect(screen).await?;
        let request = PlanRequest { spec: Some(spec) };
        let reply = client.jobs().plan(request).await;
        let reply = reply.map_err(|status| client.refused(&status))?.into_inner();
        if screen.is_json() {
            screen.json(&json::Plan::from(&reply))?;
        } else {
            show(screen, &reply, (&TimeZone::system(), clock::now_ms()))?;
        }
        Ok(Exit::OK)
    }
}

fn show(screen: &mut Screen, reply: &PlanReply, moment: (&TimeZone, i64)) -> Result<(), Failure> {
    let tasks = count(reply.tasks, "task");
    screen.line(format_args!("it would be accepted: {tasks}, tier {}", reply.tier))?;
    if reply.starts > 0 {
        let nodes = reply.nodes.join(", ");
        let starts = if reply.starts == reply.tasks {
            "at once".to_owned()
        } else {
            format!("{} of them at once", reply.starts)
        };
        screen.line(format_args!("starts {starts}, on {nodes}"))?;
    }
    if let Some(waits) = &reply.waits {
        let noun = if reply.starts > 0 { "the rest would wait" } else { "it would wait" };
        why::show(screen, noun, waits, moment)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{Explanation, Forecast};

    use super::*;
    use crate::render::screen::Form;
    use crate::render::testing::page;

    #[test]
    fn what_starts_and_what_waits_is_told_apart() {
        let waits = Explanation {
            code: "resources.busy".into(),
            text: "2 nodes could hold a task, but ..".into(),
            forecast: Some(Forecast {
                code: "estimate.after-task".into(),
                text: "when task 7.0 on n2 ends".into(),
                at_ms: 1_777_633_200_000,
            }),
            ..Explanation::default()
        };
        let reply = PlanReply {
            tasks: 10,
            tier: "encouraged".into(),
            starts: 4,
            nodes: vec!["n1".into(), "n2".into()],
            waits: Some(waits),
        };
        let moment = (&TimeZone::UTC, 1_777_633_200_000 - 60_000);

        let shown = page(Form::Table, |screen| show(screen, &reply, moment));

        assert_eq!(
            shown,
            "\
it would be accepted: 10 tasks, tier encouraged
starts 4 of them at once, on n1, n2
the rest would wait: 2 nodes could hold a task, but .. [resources.busy]
estimated start: 2026-05-01 11:00:00 (in 1m00s), when task 7.0 on n2 ends
"
        );
    }
}
