//! Why a job or a task is where it is.

use repower_core::plan::{self, Explanation, Forecast};
use repower_core::reason::Reason;
use repower_core::refusal::Refusal;
use repower_model::{Dimension, JobId, TaskId};
use repower_proto::{convert, v1};
use tonic::Status;

use super::{remarks, summary};
use crate::clock;
use crate::problem::Problem;
use crate::shared::Shared;

/// Explains a job, or one of its tasks.
pub(super) async fn why(
    shared: &Shared,
    job: JobId,
    index: Option<u32>,
) -> Result<v1::Explanation, Status> {
    {
        let state = shared.published.read();
        let now = clock::now();
        if let Some(explanation) = plan::why(&state, job, index, now) {
            let ends = shared.claims.ends(&state);
            let claimed = plan::by_claims(&state, &explanation, index, now, &ends);
            let only = || state.job(job).and_then(summary::only);
            let task = index.map(|index| TaskId { job, index }).or_else(only);
            return Ok(v1::Explanation {
                progress: task.and_then(|task| summary::progress(shared, &state, task)),
                claimed_forecast: claimed.as_ref().map(told),
                remarks: remarks::of_job(shared, &state, job, index),
                ..wire(explanation)
            });
        }
        if let Some(index) = index.filter(|_| state.job(job).is_some()) {
            return Err(Problem::from(Refusal::TaskUnknown { job, index }).into());
        }
    }
    let row = summary::row(shared, job).await?;
    if let Some(index) = index {
        summary::check_task(&row, index)?;
    }
    let known = row.clone();
    let failure = shared.past(move |history| summary::failure(history, &known)).await?;
    let reason = Reason::Ended { how: row.state.as_str() };
    Ok(v1::Explanation {
        job: job.0,
        state: v1::JobState::from(row.state).into(),
        code: reason.code().to_owned(),
        text: if failure.is_empty() { reason.to_string() } else { format!("{reason}, {failure}") },
        ..v1::Explanation::default()
    })
}

/// An explanation as it goes over the wire.
pub fn wire(explanation: Explanation) -> v1::Explanation {
    let Explanation {
        job,
        state,
        reason,
        funnel,
        shortages,
        tasks_ahead,
        jobs_ahead,
        ahead,
        forecast,
        sooner,
        approved,
    } = explanation;
    let ahead =
        ahead.into_iter().map(|one| v1::Ahead { job: one.job.0, name: one.name, tasks: one.tasks });
    let forecast = forecast.as_ref().map(told);
    let sooner =
        sooner.iter().map(|one| v1::Sooner { code: one.code().to_owned(), text: one.to_string() });
    let funnel = funnel.into_iter().map(|step| v1::FunnelStep {
        code: step.code.to_owned(),
        condition: step.condition,
        nodes_left: u32::try_from(step.nodes_left).unwrap_or(u32::MAX),
    });
    let shortages = shortages.into_iter().map(|short| v1::Shortage {
        unit: unit(&short.dimension).to_owned(),
        dimension: short.dimension.to_string(),
        asked: short.asked,
        free: short.free,
        most: short.most,
    });
    v1::Explanation {
        job: job.0,
        state: v1::JobState::from(state).into(),
        code: reason.code().to_owned(),
        text: reason.to_string(),
        hint: reason.hint().unwrap_or_default(),
        funnel: funnel.collect(),
        shortages: shortages.collect(),
        tasks_ahead,
        jobs_ahead,
        ahead: ahead.collect(),
        forecast,
        sooner: sooner.collect(),
        approved: approved.unwrap_or_default(),
        progress: None,
        claimed_forecast: None,
        remarks: Vec::new(),
    }
}

fn told(forecast: &Forecast) -> v1::Forecast {
    v1::Forecast {
        code: forecast.basis.code().to_owned(),
        text: forecast.basis.to_string(),
        at_ms: convert::moment_ms(forecast.at),
    }
}

fn unit(dimension: &Dimension) -> &'static str {
    match dimension {
        Dimension::Cpus => "milli-cpus",
        Dimension::Memory | Dimension::Disk => "bytes",
        Dimension::Extra(_) => "units",
    }
}
