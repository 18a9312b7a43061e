//! Reviews: a named person lets a job run, or not, with a reason.

use repower_model::JobId;

use super::each::cancel_tasks;
use super::finding::cleared;
use super::owner;
use super::settle::settle;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::refusal::Refusal;

pub(crate) fn review(
    draft: &mut Draft<'_>,
    id: JobId,
    approved: bool,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    let Some(job) = draft.state().job(id) else {
        let was = draft.state().was_submitted(id);
        return Err(if was {
            Refusal::JobHasEnded { job: id }
        } else {
            Refusal::JobUnknown { job: id }
        });
    };
    if !job.review {
        return Err(Refusal::NotUnderReview { job: id });
    }
    if reason.trim().is_empty() {
        return Err(Refusal::ReasonMissing);
    }
    if approved {
        owner::four_eyes(draft, &job.submitter, by)?;
    }
    let pending = job.pending.clone();
    let policy = draft.state().policy.as_ref().map_or(job.policy, |(policy, _)| policy.hash);
    let (who, why) = (by.to_owned(), reason.to_owned());
    let approval = None;
    draft.push(Fact::JobReviewed { job: id, approved, by: who, reason: why, policy, approval });
    if approved {
        cleared(draft, id, by, reason);
    } else {
        let reason = format!("denied: {reason}");
        let mut touched = cancel_tasks(draft, id, &pending, by, reason);
        touched.push(id);
        settle(draft, touched);
    }
    Ok(Answer::Done)
}
