//! From facts to messages.

use repower_core::fact::{
    AttemptEnded, Fact, JobSubmitted, OutputsKept, RankEnded, SubmissionRefused,
};
use repower_model::{Approval, AttemptId, Mark, StopReason};

use crate::convert::moment_ms;
use crate::v1;
use crate::v1::checkpoint_settled::Result as Saved;
use crate::v1::entry::Fact as Wire;

impl From<&Fact> for Wire {
    #[expect(clippy::too_many_lines, reason = "one arm a fact, nothing but names")]
    fn from(fact: &Fact) -> Self {
        match fact {
            Fact::CellFounded { cell, version } => {
                Self::CellFounded(v1::CellFounded { cell: cell.clone(), version: version.clone() })
            }
            Fact::PolicyAdopted { version, hash, text, by } => {
                Self::PolicyAdopted(v1::PolicyAdopted {
                    version: version.clone(),
                    hash: hash.0.to_vec(),
                    text: text.clone(),
                    by: by.clone(),
                })
            }
            Fact::JobSubmitted(fact) => Self::JobSubmitted(submitted(fact)),
            Fact::SubmissionRefused(fact) => Self::SubmissionRefused(refused(fact)),
            Fact::JobReviewed { job, approved, by, reason, policy, approval } => {
                Self::JobReviewed(v1::JobReviewed {
                    job: job.0,
                    approved: *approved,
                    by: by.clone(),
                    reason: reason.clone(),
                    policy_hash: policy.0.to_vec(),
                    approval: approval.map_or(0, |id| id.0),
                })
            }
            Fact::ApprovalGiven(one) => Self::ApprovalGiven(given(one)),
            Fact::ApprovalEnded { id, by, reason, policy } => {
                Self::ApprovalEnded(v1::ApprovalEnded {
                    id: id.0,
                    by: by.clone(),
                    reason: reason.clone(),
                    policy_hash: policy.0.to_vec(),
                })
            }
            Fact::DependencySettled { job, on, met } => {
                Self::DependencySettled(v1::DependencySettled { job: job.0, on: on.0, met: *met })
            }
            Fact::TasksCancelled { job, tasks, by, reason } => {
                Self::TasksCancelled(v1::TasksCancelled {
                    job: job.0,
                    tasks: tasks.iter().map(|range| (*range).into()).collect(),
                    by: by.clone(),
                    reason: reason.clone(),
                })
            }
            Fact::JobEnded { job, state, succeeded, failed, cancelled, exit_code } => {
                Self::JobEnded(v1::JobEnded {
                    job: job.0,
                    state: v1::JobState::from(*state).into(),
                    succeeded: *succeeded,
                    failed: *failed,
                    cancelled: *cancelled,
                    exit_code: *exit_code,
                })
            }
            Fact::AttemptPlaced { attempt, node, runway, alternative, parts: gang } => {
                let (job, index, number) = parts(*attempt);
                Self::AttemptPlaced(v1::AttemptPlaced {
                    job,
                    index,
                    number,
                    node: node.0,
                    runway: *runway,
                    alternative: *alternative,
                    parts: gang.iter().copied().map(Into::into).collect(),
                })
            }
            Fact::PlacePromised { task, parts, until } => Self::PlacePromised(v1::PlacePromised {
                job: task.job.0,
                index: task.index,
                parts: parts.iter().copied().map(Into::into).collect(),
                until_ms: until.as_millis(),
            }),
            Fact::AttemptStarted { attempt, started } => {
                let (job, index, number) = parts(*attempt);
                let started_ms = started.as_millis();
                Self::AttemptStarted(v1::AttemptStarted { job, index, number, started_ms })
            }
            Fact::AttemptStopping { attempt, why, by, reason } => {
                let (job, index, number) = parts(*attempt);
                let code = code_of(*why).to_owned();
                let (by, reason) = (by.clone(), reason.clone());
                Self::AttemptStopping(v1::AttemptStopping { job, index, number, code, by, reason })
            }
            Fact::RankStarted { rank, started } => {
                let (job, index, number) = parts(rank.attempt);
                let (rank, started_ms) = (rank.rank, started.as_millis());
                Self::RankStarted(v1::RankStarted { job, index, number, rank, started_ms })
            }
            Fact::RankEnded(fact) => Self::RankEnded(rank_ended(fact)),
            Fact::OutputsKept(fact) => Self::OutputsKept(kept(fact)),
            Fact::ProgressClaimed { rank, progress } => {
                let (job, index, number) = parts(rank.attempt);
                let (rank, progress) = (rank.rank, Some((&**progress).into()));
                Self::ProgressClaimed(v1::ProgressClaimed { job, index, number, rank, progress })
            }
            Fact::TaskEntered { rank, by, command } => {
                let (job, index, number) = parts(rank.attempt);
                Self::TaskEntered(v1::TaskEntered {
                    job,
                    index,
                    number,
                    rank: rank.rank,
                    by: by.clone(),
                    command: command.clone(),
                })
            }
            Fact::StopStepTaken { rank, step, cause, signal, taken } => {
                let (job, index, number) = parts(rank.attempt);
                Self::StopStepTaken(v1::StopStepTaken {
                    job,
                    index,
                    number,
                    rank: rank.rank,
                    step: v1::StopStep::from(*step).into(),
                    cause: v1::StopCause::from(*cause).into(),
                    signal: *signal,
                    taken_ms: taken.as_millis(),
                })
            }
            Fact::CheckpointSettled { attempt, kept } => {
                let (job, index, number) = parts(*attempt);
                let result = match kept {
                    Ok(stored) => Saved::Stored((*stored).into()),
                    Err(problem) => Saved::Problem(problem.clone()),
                };
                let result = Some(result);
                Self::CheckpointSettled(v1::CheckpointSettled { job, index, number, result })
            }
            Fact::AttemptEnded(fact) => Self::AttemptEnded(ended(fact)),
            Fact::TaskReturned { task, node } => Self::TaskReturned(v1::TaskReturned {
                job: task.job.0,
                index: task.index,
                node: node.0,
            }),
            Fact::NodeEnrolled { node, name, fingerprint, token } => {
                Self::NodeEnrolled(v1::NodeEnrolled {
                    node: node.0,
                    name: name.clone(),
                    fingerprint: fingerprint.0.to_vec(),
                    token: token.0,
                })
            }
            Fact::NodeConnected { node, instance, inventory } => {
                Self::NodeConnected(v1::NodeConnected {
                    node: node.0,
                    instance: instance.0.to_vec(),
                    inventory: Some((&**inventory).into()),
                })
            }
            Fact::NodeLost { node, reason } => {
                Self::NodeLost(v1::NodeLost { node: node.0, reason: reason.clone() })
            }
            Fact::NodeLeft { node, reason } => {
                Self::NodeLeft(v1::NodeLeft { node: node.0, reason: reason.clone() })
            }
            Fact::NodeDrained { node, by, reason } => Self::NodeDrained(v1::NodeDrained {
                node: node.0,
                by: by.clone(),
                reason: reason.clone(),
            }),
            Fact::NodeResumed { node, by } => {
                Self::NodeResumed(v1::NodeResumed { node: node.0, by: by.clone() })
            }
            Fact::NodeHeldBack { node, reason } => {
                Self::NodeHeldBack(v1::NodeHeldBack { node: node.0, reason: reason.clone() })
            }
            Fact::TokenIssued { id, kind, role, name, hash, expires, by } => {
                Self::TokenIssued(v1::TokenIssued {
                    id: id.0,
                    kind: v1::TokenKind::from(*kind).into(),
                    name: name.clone(),
                    hash: hash.0.to_vec(),
                    expires_ms: moment_ms(*expires),
                    by: by.clone(),
                    role: role.map_or(v1::Role::Unspecified, v1::Role::from).into(),
                })
            }
            Fact::ReservationMade(one) => Self::ReservationMade(v1::ReservationMade {
                id: one.id.0,
                nodes: one.nodes.iter().map(|node| node.0).collect(),
                from_ms: one.from.as_millis(),
                until_ms: one.until.as_millis(),
                project: one.project.clone().unwrap_or_default(),
                by: one.by.clone(),
                reason: one.reason.clone(),
            }),
            Fact::ReservationEnded { id, by, reason } => {
                let (by, reason) = (by.clone(), reason.clone());
                Self::ReservationEnded(v1::ReservationEnded { id: id.0, by, reason })
            }
            Fact::FindingOpened(finding) => {
                Self::FindingOpened(v1::FindingOpened { finding: Some((&**finding).into()) })
            }
            Fact::FindingSeen(seen) => Self::FindingSeen(v1::FindingSeen {
                finding: seen.finding.0,
                verdicts: seen.verdicts.iter().map(Into::into).collect(),
                images: seen.images.iter().map(Into::into).collect(),
                evidence: seen.evidence.map(Into::into),
            }),
            Fact::FindingReviewed { finding, state, by, reason, policy } => {
                Self::FindingReviewed(v1::FindingReviewed {
                    finding: finding.0,
                    state: v1::FindingState::from(*state).into(),
                    by: by.clone(),
                    reason: reason.clone(),
                    policy_hash: policy.0.to_vec(),
                })
            }
            Fact::DigestQuarantined { digest, finding, by, reason } => {
                Self::DigestQuarantined(v1::DigestQuarantined {
                    digest: digest.0.to_vec(),
                    finding: finding.map_or(0, |finding| finding.0),
                    by: by.clone(),
                    reason: reason.clone(),
                })
            }
            Fact::DigestReleased { digest, by, reason } => {
                Self::DigestReleased(v1::DigestReleased {
                    digest: digest.0.to_vec(),
                    by: by.clone(),
                    reason: reason.clone(),
                })
            }
            Fact::TokenUsed { id } => Self::TokenUsed(v1::TokenUsed { id: id.0 }),
            Fact::TokenRevoked { id, by } => {
                Self::TokenRevoked(v1::TokenRevoked { id: id.0, by: by.clone() })
            }
        }
    }
}

/// The word for a kind of stop, in the journal.
pub(super) fn code_of(why: StopReason) -> &'static str {
    match why {
        StopReason::Cancelled => "cancelled",
        StopReason::Recalled => "recalled",
        StopReason::Stale => "stale",
        StopReason::Preempted => "preempted",
        StopReason::Drained => "drained",
        StopReason::Checkpointed => "checkpointed",
        StopReason::Finding => "finding",
    }
}

fn kept(fact: &OutputsKept) -> v1::OutputsKept {
    let (job, index, number) = parts(fact.rank.attempt);
    v1::OutputsKept {
        job,
        index,
        number,
        rank: fact.rank.rank,
        artefacts: fact.artefacts.iter().map(Into::into).collect(),
        missing: fact.missing.clone(),
    }
}

fn parts(attempt: AttemptId) -> (u64, u32, u32) {
    (attempt.task.job.0, attempt.task.index, attempt.number)
}

fn submitted(fact: &JobSubmitted) -> v1::JobSubmitted {
    v1::JobSubmitted {
        job: fact.job.0,
        key: fact.key.0.to_vec(),
        submitter: fact.submitter.clone(),
        spec: Some((&*fact.spec).into()),
        tier: fact.tier.as_str().to_owned(),
        policy_hash: fact.policy.0.to_vec(),
        review: fact.review,
        waits_for: fact.waits_for.iter().map(|one| (*one).into()).collect(),
        approval: fact.approval.map_or(0, |id| id.0),
        marks: fact.marks.iter().map(Into::into).collect(),
    }
}

impl From<&Mark> for v1::Mark {
    fn from(mark: &Mark) -> Self {
        Self {
            sign: mark.sign.as_str().to_owned(),
            place: mark.place.clone(),
            detail: mark.detail.clone(),
        }
    }
}

fn given(one: &Approval) -> v1::ApprovalGiven {
    v1::ApprovalGiven {
        id: one.id.0,
        job_class: one.class.clone(),
        project: one.project.clone().unwrap_or_default(),
        content: one.content.map(|content| content.0.to_vec()).unwrap_or_default(),
        until_ms: one.until.as_millis(),
        by: one.by.clone(),
        reason: one.reason.clone(),
        policy_hash: one.policy.0.to_vec(),
    }
}

fn refused(fact: &SubmissionRefused) -> v1::SubmissionRefused {
    v1::SubmissionRefused {
        submitter: fact.submitter.clone(),
        name: fact.name.clone(),
        job_class: fact.class.clone(),
        code: fact.code.clone(),
        text: fact.text.clone(),
        policy_hash: fact.policy.0.to_vec(),
        spec_hash: fact.spec_hash.0.to_vec(),
        marks: fact.marks.iter().map(Into::into).collect(),
    }
}

fn ended(fact: &AttemptEnded) -> v1::AttemptEnded {
    let (job, index, number) = parts(fact.attempt);
    v1::AttemptEnded {
        job,
        index,
        number,
        outcome: Some((&fact.outcome).into()),
        usage: Some(fact.usage.into()),
        started_ms: moment_ms(fact.started),
        ended_ms: fact.ended.as_millis(),
        sequel: v1::Sequel::from(fact.sequel).into(),
        again_after_ms: moment_ms(fact.again_after),
        fault: v1::Fault::from(fact.fault).into(),
    }
}

fn rank_ended(fact: &RankEnded) -> v1::RankEnded {
    let (job, index, number) = parts(fact.rank.attempt);
    v1::RankEnded {
        job,
        index,
        number,
        rank: fact.rank.rank,
        outcome: Some((&fact.outcome).into()),
        usage: Some(fact.usage.into()),
        started_ms: moment_ms(fact.started),
        ended_ms: fact.ended.as_millis(),
    }
}
