//! Approvals as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::{hex, text};
use crate::render::time;

/// An approval of jobs of a kind.
#[derive(Debug, Serialize)]
pub struct Approval {
    id: u64,
    class: String,
    project: Option<String>,
    content: Option<String>,
    until: Option<String>,
    by: String,
    reason: String,
    jobs: u64,
}

/// All approvals.
#[derive(Debug, Serialize)]
pub struct Approvals {
    approvals: Vec<Approval>,
}

impl From<&v1::Approval> for Approval {
    fn from(one: &v1::Approval) -> Self {
        Self {
            id: one.id,
            class: one.job_class.clone(),
            project: text(&one.project),
            content: text(&hex(&one.content)),
            until: time::rfc3339(one.until_ms),
            by: one.by.clone(),
            reason: one.reason.clone(),
            jobs: one.jobs,
        }
    }
}

impl From<&v1::ListApprovalsReply> for Approvals {
    fn from(reply: &v1::ListApprovalsReply) -> Self {
        Self { approvals: reply.approvals.iter().map(Approval::from).collect() }
    }
}
