//! `repower why`.

use repower_proto::v1::{Explanation, Shortage, WhyRequest};

use crate::arguments::Reach;
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::Reference;
use crate::render::quantity::{bytes, count, cpus};
use crate::render::{Column, Screen, Table, json, words};

/// Options of `repower why`.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// Job, or one of its tasks: 12, 12.3
    #[arg(value_name = "JOB")]
    what: Reference,
    #[command(flatten)]
    pub(super) reach: Reach,
}

impl Why {
    /// Tells why the job or task is where it is.
    pub(super) async fn run(self, screen: &mut Screen) -> Result<Exit, Failure> {
        let client = self.reach.connect(screen).await?;
        let request = WhyRequest { job: self.what.job, index: self.what.index };
        let why = client
            .jobs()
            .why(request)
            .await
            .map_err(|status| client.refused(&status))?
            .into_inner();
        if screen.is_json() {
            screen.json(&json::Why::from(&why))?;
        } else if screen.is_quiet() {
            screen.line(&why.code)?;
        } else {
            show(screen, &self.what, &why)?;
        }
        Ok(Exit::OK)
    }
}

fn show(screen: &mut Screen, what: &Reference, why: &Explanation) -> Result<(), Failure> {
    let noun = if what.index.is_some() { "task" } else { "job" };
    screen.line(format_args!("{noun} {what}: {} [{}]", words::tame(&why.text), why.code))?;
    if why.tasks_ahead > 0 {
        let ahead = count(why.tasks_ahead, "task");
        screen.line(format_args!("{ahead} of {} go first", count(why.jobs_ahead, "job")))?;
    }
    if !why.hint.is_empty() {
        screen.line(format_args!("hint: {}", words::tame(&why.hint)))?;
    }
    if !why.funnel.is_empty() {
        let mut table = Table::new(&[Column::number("NODES LEFT"), Column::cut("CONDITION", 20)]);
        for step in &why.funnel {
            table.row([step.nodes_left.to_string().into(), step.condition.as_str().into()]);
        }
        screen.line("")?;
        screen.table(&table)?;
    }
    if !why.shortages.is_empty() {
        let mut table = Table::new(&[
            Column::whole("SHORT OF"),
            Column::number("ASKED"),
            Column::number("MOST FREE NOW"),
            Column::number("MOST ON ANY NODE"),
        ]);
        for short in &why.shortages {
            let amount = |amount| amount_of(short, amount).into();
            table.row([
                short.dimension.as_str().into(),
                amount(short.asked),
                amount(short.free),
                amount(short.most),
            ]);
        }
        screen.line("")?;
        screen.table(&table)?;
    }
    Ok(())
}

fn amount_of(short: &Shortage, amount: u64) -> String {
    match short.unit.as_str() {
        "milli-cpus" => cpus(amount),
        "bytes" => bytes(amount),
        _ => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::FunnelStep;

    use super::*;
    use crate::render::screen::Form;
    use crate::render::testing::page;

    #[test]
    fn the_funnel_and_what_is_short_are_shown_with_numbers() {
        let step = |nodes_left, condition: &str| FunnelStep {
            nodes_left,
            condition: condition.into(),
            code: String::new(),
        };
        let why = Explanation {
            job: 12,
            code: "resources.busy".into(),
            text: "2 nodes could hold a task, but the most cpus free on any is 4".into(),
            hint: "ask for 4 of cpus or less to start now".into(),
            funnel: vec![
                step(5, "enrolled"),
                step(4, "up"),
                step(2, "16 cpus when empty"),
                step(0, "16 cpus free"),
            ],
            shortages: vec![Shortage {
                dimension: "cpus".into(),
                unit: "milli-cpus".into(),
                asked: 16_000,
                free: 4000,
                most: 32_000,
            }],
            tasks_ahead: 3,
            jobs_ahead: 1,
            ..Explanation::default()
        };
        let what = "12.3".parse().expect("good");

        let shown = page(Form::Table, |screen| show(screen, &what, &why));

        assert_eq!(
            shown,
            "\
task 12.3: 2 nodes could hold a task, but the most cpus free on any is 4 [resources.busy]
3 tasks of 1 job go first
hint: ask for 4 of cpus or less to start now

NODES LEFT  CONDITION
         5  enrolled
         4  up
         2  16 cpus when empty
         0  16 cpus free

SHORT OF  ASKED  MOST FREE NOW  MOST ON ANY NODE
cpus         16              4                32
"
        );
    }
}
