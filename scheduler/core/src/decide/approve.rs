//! Approvals: a named person lets jobs of a kind run for a time, with a reason.

use repower_model::{Approval, ApprovalId, JobId};

use super::finding::cleared;
use super::project;
use crate::draft::Draft;
use crate::effect::Answer;
use crate::fact::Fact;
use crate::input::Approve;
use crate::policy::{Policy, Tier};
use crate::refusal::Refusal;
use crate::state::Token;

/// Lets jobs of a kind run for a time. Those that wait for a review and are covered go.
pub(crate) fn approve(draft: &mut Draft<'_>, asked: &Approve) -> Result<Answer, Refusal> {
    let now = draft.now();
    let Approve { class, project, content, until, by, reason } = asked;
    if reason.trim().is_empty() {
        return Err(Refusal::ReasonMissing);
    }
    let policy = policy(draft)?;
    match policy.classes.get(class) {
        None => {
            let (nearest, known) = (policy.nearest(class), policy.runnable());
            return Err(Refusal::ClassUnknown { class: class.clone(), nearest, known });
        }
        Some(known) if known.tier == Tier::Prohibited => {
            let (version, entry) = (policy.version.clone(), known.entry.clone());
            return Err(Refusal::ClassProhibited { class: class.clone(), version, entry });
        }
        // What such a class runs is held only for what was found in it: that is approved by digest.
        Some(known) if known.tier != Tier::Review && content.is_none() => {
            let tier = known.tier.as_str();
            return Err(Refusal::ApprovalNotNeeded { class: class.clone(), tier });
        }
        Some(_) => {}
    }
    if let Some(name) = project {
        project::check(name)?;
    }
    if *until <= now {
        return Err(Refusal::ApprovalOver { ago: now.since(*until) });
    }
    let most = policy.admission.longest_approval;
    if until.since(now) > most {
        return Err(Refusal::ApprovalTooLong { asked: until.since(now), most });
    }
    let approvals = &draft.state().approvals;
    if approvals.len() >= Approval::MOST {
        let (what, asked) = ("the number of approvals", (approvals.len() + 1).to_string());
        let allowed = format!("at most {}", Approval::MOST);
        return Err(Refusal::OutOfBounds { what, asked, allowed });
    }
    let (id, policy) = (approvals.next_id(), policy.hash);
    draft.push(Fact::ApprovalGiven(Box::new(Approval {
        id,
        class: class.clone(),
        project: project.clone(),
        content: *content,
        until: *until,
        by: by.clone(),
        reason: reason.clone(),
        policy,
    })));
    Ok(Answer::Approval { id, jobs: release(draft) })
}

/// Ends an approval before its time.
pub(crate) fn unapprove(
    draft: &mut Draft<'_>,
    id: ApprovalId,
    by: &str,
    reason: &str,
) -> Result<Answer, Refusal> {
    if draft.state().approvals.get(id).is_none() {
        return Err(Refusal::ApprovalUnknown { id });
    }
    if reason.trim().is_empty() {
        return Err(Refusal::ReasonMissing);
    }
    end(draft, id, by, reason)?;
    release(draft);
    Ok(Answer::Done)
}

/// Ends the approvals whose time is over: before anything is placed.
pub(crate) fn end_what_is_over(draft: &mut Draft<'_>) {
    let mut any = false;
    while let Some(id) = draft.state().approvals.first_over(draft.now()) {
        if end(draft, id, Token::SCHEDULER, "its time is over").is_err() {
            return;
        }
        any = true;
    }
    if any {
        release(draft);
    }
}

fn end(draft: &mut Draft<'_>, id: ApprovalId, by: &str, reason: &str) -> Result<(), Refusal> {
    let policy = policy(draft)?.hash;
    let (by, reason) = (by.to_owned(), reason.to_owned());
    draft.push(Fact::ApprovalEnded { id, by, reason, policy });
    Ok(())
}

/// Lets jobs go that wait for a review and are covered by an approval; returns how many.
pub(crate) fn release(draft: &mut Draft<'_>) -> u64 {
    let state = draft.state();
    let Some(policy) = state.policy.as_ref().map(|(policy, _)| policy.hash) else { return 0 };
    if state.approvals.is_empty() {
        return 0;
    }
    let waiting = state.jobs.values().filter(|job| job.review);
    let covered = waiting.filter_map(|job| {
        let approval = state.covering((&job.spec, &job.submitter), job.is_suspect, draft.now())?;
        Some((job.id, approval.id, approval.by.clone(), approval.reason.clone()))
    });
    let covered: Vec<(JobId, ApprovalId, String, String)> = covered.collect();
    let count = covered.len() as u64;
    for (job, id, by, reason) in covered {
        let approval = Some(id);
        let (who, why) = (by.clone(), reason.clone());
        draft.push(Fact::JobReviewed { job, approved: true, by, reason, policy, approval });
        cleared(draft, job, &who, &why);
    }
    count
}

fn policy<'a>(draft: &'a Draft<'_>) -> Result<&'a Policy, Refusal> {
    let policy = draft.state().policy.as_ref().map(|(policy, _)| policy);
    policy.ok_or_else(|| Refusal::BadPolicy { problem: "none has been adopted".into() })
}
