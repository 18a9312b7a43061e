//! `repower why`.

use jiff::tz::TimeZone;
use repower_proto::v1::{Explanation, Forecast, Shortage, WhyRequest};

use crate::arguments::Reach;
use crate::clock;
use crate::failure::{Exit, Failure};
use crate::jobfile::reference::Reference;
use crate::render::quantity::{bytes, count, cpus};
use crate::render::{Column, Screen, Table, claims, json, time, words};

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
            let noun = if self.what.index.is_some() { "task" } else { "job" };
            let noun = format!("{noun} {}", self.what);
            show(screen, &noun, &why, (&TimeZone::system(), clock::now_ms()))?;
        }
        Ok(Exit::OK)
    }
}

/// Shows an explanation of `noun`, with moments in a zone of the calendar.
pub(super) fn show(
    screen: &mut Screen,
    noun: &str,
    why: &Explanation,
    (zone, now_ms): (&TimeZone, i64),
) -> Result<(), Failure> {
    screen.sentence(format_args!("{noun}: {} [{}]", words::tame(&why.text), why.code))?;
    if !why.approved.is_empty() {
        screen.sentence(words::tame(&why.approved))?;
    }
    for remark in &why.remarks {
        screen.sentence(words::remark(remark))?;
    }
    if let Some(claimed) = &why.progress {
        let bad = claimed.progress.as_ref().and_then(claims::bad_lines);
        for line in [claims::live(claimed, (zone, now_ms)), bad].into_iter().flatten() {
            screen.sentence(format_args!("it {line}"))?;
        }
    }
    if let Some(forecast) = &why.forecast {
        screen.sentence(format_args!("estimated start: {}", when(forecast, zone, now_ms)))?;
    }
    if let Some(forecast) = &why.claimed_forecast {
        screen.sentence(format_args!(
            "if running tasks end when they claim to: {}",
            when(forecast, zone, now_ms)
        ))?;
    }
    if why.tasks_ahead > 0 {
        let named = why.ahead.iter().map(|one| {
            let name = words::tame(&one.name);
            format!("{} ({name}, {})", one.job, count(one.tasks, "task"))
        });
        let named = named.collect::<Vec<_>>().join(", ");
        let more = if why.jobs_ahead > why.ahead.len() as u64 { ", .." } else { "" };
        let place = why.jobs_ahead + 1;
        let behind = match why.jobs_ahead {
            1 => format!("job {named}"),
            jobs => format!("{} of {jobs} jobs: {named}{more}", count(why.tasks_ahead, "task")),
        };
        screen.sentence(format_args!("position in queue: {place}, behind {behind}"))?;
    }
    for one in &why.sooner {
        screen.sentence(format_args!("sooner: {}", words::tame(&one.text)))?;
    }
    if !why.hint.is_empty() && why.sooner.is_empty() {
        screen.sentence(format_args!("hint: {}", words::tame(&why.hint)))?;
    }
    // The nodes say nothing about what waits for a person, another job or a time.
    let held = why.forecast.as_ref().is_some_and(|forecast| {
        ["estimate.held", "estimate.own-time"].contains(&forecast.code.as_str())
    });
    if held {
        return Ok(());
    }
    if !why.funnel.is_empty() {
        let mut table = Table::new(&[Column::number("NODES LEFT"), Column::cut("CONDITION", 20)]);
        // Once none is left, none comes back.
        let end = why.funnel.iter().position(|step| step.nodes_left == 0);
        for step in why.funnel.iter().take(end.map_or(usize::MAX, |end| end + 1)) {
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

/// Says when something will start, and what that stands on.
fn when(forecast: &Forecast, zone: &TimeZone, now_ms: i64) -> String {
    let basis = words::tame(&forecast.text);
    if forecast.at_ms == 0 {
        return basis;
    }
    if forecast.at_ms <= now_ms {
        return format!("at once, {basis}");
    }
    let at = time::calendar(forecast.at_ms, zone);
    format!("{at} (in {}), {basis}", time::between(now_ms, forecast.at_ms))
}

fn amount_of(short: &Shortage, amount: u64) -> String {
    match short.unit.as_str() {
        "milli-cpus" => cpus(amount),
        "bytes" => bytes(amount),
        _ => amount.to_string(),
    }
}

#[cfg(test)]
mod tests;
