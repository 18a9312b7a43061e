//! Explanations as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::text;
use crate::render::words;

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
    funnel: Vec<Step>,
    shortages: Vec<Shortage>,
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

impl From<&v1::Explanation> for Why {
    fn from(why: &v1::Explanation) -> Self {
        let step = |step: &v1::FunnelStep| Step {
            code: step.code.clone(),
            condition: step.condition.clone(),
            nodes_left: step.nodes_left,
        };
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
            funnel: why.funnel.iter().map(step).collect(),
            shortages: why.shortages.iter().map(shortage).collect(),
        }
    }
}
