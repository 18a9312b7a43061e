//! Explanations as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::claimed::Claimed;
use super::{Remark, text};
use crate::render::{time, words};

/// Why a job or task is where it is.
#[derive(Debug, Serialize)]
pub struct Why {
    job: u64,
    state: &'static str,
    code: String,
    text: String,
    hint: Option<String>,
    tasks_ahead: u64,
    jobs_ahead: u64,
    ahead: Vec<Ahead>,
    estimated_start: Option<Forecast>,
    sooner: Vec<Sooner>,
    funnel: Vec<Step>,
    shortages: Vec<Shortage>,
    approved: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed: Option<Claimed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_start: Option<Forecast>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    remarks: Vec<Remark>,
}

#[derive(Debug, Serialize)]
struct Ahead {
    job: u64,
    name: String,
    tasks: u64,
}

#[derive(Debug, Serialize)]
struct Forecast {
    at: Option<String>,
    code: String,
    text: String,
}

#[derive(Debug, Serialize)]
struct Sooner {
    code: String,
    text: String,
}

/// What would come of a submission.
#[derive(Debug, Serialize)]
pub struct Plan {
    tasks: u64,
    tier: String,
    starts: u64,
    nodes: Vec<String>,
    waits: Option<Why>,
}

impl From<&v1::PlanReply> for Plan {
    fn from(reply: &v1::PlanReply) -> Self {
        Self {
            tasks: reply.tasks,
            tier: reply.tier.clone(),
            starts: reply.starts,
            nodes: reply.nodes.clone(),
            waits: reply.waits.as_ref().map(Why::from),
        }
    }
}

#[derive(Debug, Serialize)]
struct Step {
    code: String,
    condition: String,
    nodes_left: u32,
}

#[derive(Debug, Serialize)]
struct Shortage {
    dimension: String,
    unit: String,
    asked: u64,
    free: u64,
    most: u64,
}

impl From<&v1::Forecast> for Forecast {
    fn from(forecast: &v1::Forecast) -> Self {
        let v1::Forecast { at_ms, code, text } = forecast.clone();
        Self { at: time::rfc3339(at_ms), code, text }
    }
}

impl From<&v1::Explanation> for Why {
    fn from(why: &v1::Explanation) -> Self {
        let step = |step: &v1::FunnelStep| Step {
            code: step.code.clone(),
            condition: step.condition.clone(),
            nodes_left: step.nodes_left,
        };
        let ahead =
            |one: &v1::Ahead| Ahead { job: one.job, name: one.name.clone(), tasks: one.tasks };
        let sooner = |one: &v1::Sooner| Sooner { code: one.code.clone(), text: one.text.clone() };
        let shortage = |short: &v1::Shortage| Shortage {
            dimension: short.dimension.clone(),
            unit: short.unit.clone(),
            asked: short.asked,
            free: short.free,
            most: short.most,
        };
        Self {
            job: why.job,
            state: words::job_state(why.state()),
            code: why.code.clone(),
            text: why.text.clone(),
            hint: text(&why.hint),
            tasks_ahead: why.tasks_ahead,
            jobs_ahead: why.jobs_ahead,
            ahead: why.ahead.iter().map(ahead).collect(),
            estimated_start: why.forecast.as_ref().map(Forecast::from),
            sooner: why.sooner.iter().map(sooner).collect(),
            funnel: why.funnel.iter().map(step).collect(),
            shortages: why.shortages.iter().map(shortage).collect(),
            approved: text(&why.approved),
            claimed: why.progress.as_ref().map(Claimed::from),
            claimed_start: why.claimed_forecast.as_ref().map(Forecast::from),
            remarks: why.remarks.iter().map(Remark::from).collect(),
        }
    }
}
