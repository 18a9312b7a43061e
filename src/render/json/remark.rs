//! What people should know and what they have decided, as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::text;
use crate::render::{time, words};

/// What keeps work from going on though nothing is wrong with it.
#[derive(Debug, Serialize)]
pub struct Remark {
    code: String,
    text: String,
    hint: Option<String>,
}

impl From<&v1::Remark> for Remark {
    fn from(remark: &v1::Remark) -> Self {
        let v1::Remark { code, text: words, hint } = remark.clone();
        Self { code, text: words, hint: text(&hint) }
    }
}

/// What somebody has decided about a job.
#[derive(Debug, Serialize)]
pub struct Decision {
    #[serde(rename = "decision")]
    kind: &'static str,
    by: String,
    reason: Option<String>,
    at: Option<String>,
}

impl From<&v1::Decision> for Decision {
    fn from(decision: &v1::Decision) -> Self {
        Self {
            kind: words::decision(decision.kind()),
            by: decision.by.clone(),
            reason: text(&decision.reason),
            at: time::rfc3339(decision.at_ms),
        }
    }
}
