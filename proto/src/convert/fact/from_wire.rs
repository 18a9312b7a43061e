//! From messages to facts.

use std::sync::Arc;

use repower_core::fact::{
    AttemptEnded, Fact, FindingSeen, JobSubmitted, OutputsKept, RankEnded, SubmissionRefused,
};
use repower_core::policy::Tier;
use repower_model::{
    Approval, ApprovalId, Artefact, AttemptId, Dependency, Evidence, Finding, FindingId, Image,
    JobId, JobSpec, Mark, NodeId, Outcome, Progress, Reservation, ReservationId, Sign, StopReason,
    TaskId, Timestamp, TokenId, Verdict,
};

use super::to_wire::code_of;
use crate::convert::{
    ConvertError, Problem, hash, instance, inventory, key, known, moment, present, role,
};
use crate::v1;
use crate::v1::checkpoint_settled::Result as Saved;
use crate::v1::entry::Fact as Wire;

impl TryFrom<Wire> for Fact {
    type Error = ConvertError;

    #[expect(clippy::too_many_lines, reason = "one arm a fact, nothing but names")]
    fn try_from(fact: Wire) -> Result<Self, ConvertError> {
        Ok(match fact {
            Wire::CellFounded(fact) => Self::CellFounded { cell: fact.cell, version: fact.version },
            Wire::PolicyAdopted(fact) => Self::PolicyAdopted {
                version: fact.version,
                hash: hash("hash", &fact.hash)?,
                text: fact.text,
                by: fact.by,
            },
            Wire::JobSubmitted(fact) => Self::JobSubmitted(Box::new(submitted(fact)?)),
            Wire::SubmissionRefused(fact) => Self::SubmissionRefused(Box::new(refused(fact)?)),
            Wire::JobReviewed(fact) => Self::JobReviewed {
                job: JobId(fact.job),
                approved: fact.approved,
                by: fact.by,
                reason: fact.reason,
                policy: hash("policy_hash", &fact.policy_hash)?,
                approval: approval(fact.approval),
            },
            Wire::ApprovalGiven(fact) => Self::ApprovalGiven(Box::new(given(fact)?)),
            Wire::ApprovalEnded(fact) => Self::ApprovalEnded {
                id: ApprovalId(fact.id),
                by: fact.by,
                reason: fact.reason,
                policy: hash("policy_hash", &fact.policy_hash)?,
            },
            Wire::DependencySettled(fact) => {
                Self::DependencySettled { job: JobId(fact.job), on: JobId(fact.on), met: fact.met }
            }
            Wire::TasksCancelled(fact) => Self::TasksCancelled {
                job: JobId(fact.job),
                tasks: fact.tasks.into_iter().map(Into::into).collect(),
                by: fact.by,
                reason: fact.reason,
            },
            Wire::JobEnded(fact) => Self::JobEnded {
                job: JobId(fact.job),
                state: known::<v1::JobState>("state", fact.state)?.try_into()?,
                succeeded: fact.succeeded,
                failed: fact.failed,
                cancelled: fact.cancelled,
                exit_code: fact.exit_code,
            },
            Wire::AttemptPlaced(fact) => Self::AttemptPlaced {
                attempt: attempt(fact.job, fact.index, fact.number),
                node: NodeId(fact.node),
                runway: fact.runway,
                alternative: fact.alternative,
                parts: fact.parts.into_iter().map(Into::into).collect(),
            },
            Wire::PlacePromised(fact) => Self::PlacePromised {
                task: TaskId { job: JobId(fact.job), index: fact.index },
                parts: fact.parts.into_iter().map(Into::into).collect(),
                until: Timestamp::from_millis(fact.until_ms),
            },
            Wire::AttemptStarted(fact) => Self::AttemptStarted {
                attempt: attempt(fact.job, fact.index, fact.number),
                started: Timestamp::from_millis(fact.started_ms),
            },
            Wire::AttemptStopping(fact) => Self::AttemptStopping {
                attempt: attempt(fact.job, fact.index, fact.number),
                why: why(fact.code)?,
                by: fact.by,
                reason: fact.reason,
            },
            Wire::AttemptEnded(fact) => Self::AttemptEnded(Box::new(ended(fact)?)),
            Wire::RankStarted(fact) => Self::RankStarted {
                rank: attempt(fact.job, fact.index, fact.number).rank(fact.rank),
                started: Timestamp::from_millis(fact.started_ms),
            },
            Wire::RankEnded(fact) => Self::RankEnded(Box::new(rank_ended(fact)?)),
            Wire::OutputsKept(fact) => Self::OutputsKept(Box::new(kept(fact)?)),
            Wire::ProgressClaimed(fact) => {
                let progress = present("progress", fact.progress)?;
                let progress =
                    Progress::try_from(progress).map_err(|error| error.within("progress"))?;
                Self::ProgressClaimed {
                    rank: attempt(fact.job, fact.index, fact.number).rank(fact.rank),
                    progress: Box::new(progress),
                }
            }
            Wire::TaskEntered(fact) => Self::TaskEntered {
                rank: attempt(fact.job, fact.index, fact.number).rank(fact.rank),
                by: fact.by,
                command: fact.command,
            },
            Wire::StopStepTaken(fact) => Self::StopStepTaken {
                rank: attempt(fact.job, fact.index, fact.number).rank(fact.rank),
                step: known::<v1::StopStep>("step", fact.step)?.try_into()?,
                cause: known::<v1::StopCause>("cause", fact.cause)?.try_into()?,
                signal: fact.signal,
                taken: Timestamp::from_millis(fact.taken_ms),
            },
            Wire::CheckpointSettled(fact) => Self::CheckpointSettled {
                attempt: attempt(fact.job, fact.index, fact.number),
                kept: match present("result", fact.result)? {
                    Saved::Stored(stored) => Ok(stored
                        .try_into()
                        .map_err(|error: ConvertError| error.within("stored"))?),
                    Saved::Problem(problem) => Err(problem),
                },
            },
            Wire::TaskReturned(fact) => Self::TaskReturned {
                task: TaskId { job: JobId(fact.job), index: fact.index },
                node: NodeId(fact.node),
            },
            Wire::NodeEnrolled(fact) => Self::NodeEnrolled {
                node: NodeId(fact.node),
                name: fact.name,
                fingerprint: hash("fingerprint", &fact.fingerprint)?,
                token: TokenId(fact.token),
            },
            Wire::NodeConnected(fact) => Self::NodeConnected {
                node: NodeId(fact.node),
                instance: instance("instance", &fact.instance)?,
                inventory: Box::new(inventory(fact.inventory)?),
            },
            Wire::NodeLost(fact) => Self::NodeLost { node: NodeId(fact.node), reason: fact.reason },
            Wire::NodeLeft(fact) => Self::NodeLeft { node: NodeId(fact.node), reason: fact.reason },
            Wire::NodeDrained(fact) => {
                Self::NodeDrained { node: NodeId(fact.node), by: fact.by, reason: fact.reason }
            }
            Wire::NodeResumed(fact) => Self::NodeResumed { node: NodeId(fact.node), by: fact.by },
            Wire::NodeHeldBack(fact) => {
                Self::NodeHeldBack { node: NodeId(fact.node), reason: fact.reason }
            }
            Wire::TokenIssued(fact) => issued(fact)?,
            Wire::ReservationMade(fact) => Self::ReservationMade(Box::new(Reservation {
                id: ReservationId(fact.id),
                nodes: fact.nodes.into_iter().map(NodeId).collect(),
                from: Timestamp::from_millis(fact.from_ms),
                until: Timestamp::from_millis(fact.until_ms),
                project: Some(fact.project).filter(|project| !project.is_empty()),
                by: fact.by,
                reason: fact.reason,
            })),
            Wire::ReservationEnded(fact) => Self::ReservationEnded {
                id: ReservationId(fact.id),
                by: fact.by,
                reason: fact.reason,
            },
            Wire::FindingOpened(fact) => {
                let finding = present("finding", fact.finding)?;
                let finding = Finding::try_from(finding).map_err(|error| error.within("finding"));
                Self::FindingOpened(Box::new(finding?))
            }
            Wire::FindingSeen(fact) => Self::FindingSeen(Box::new(seen(fact)?)),
            Wire::FindingReviewed(fact) => Self::FindingReviewed {
                finding: FindingId(fact.finding),
                state: known::<v1::FindingState>("state", fact.state)?.try_into()?,
                by: fact.by,
                reason: fact.reason,
                policy: hash("policy_hash", &fact.policy_hash)?,
            },
            Wire::DigestQuarantined(fact) => Self::DigestQuarantined {
                digest: hash("digest", &fact.digest)?,
                finding: (fact.finding != 0).then_some(FindingId(fact.finding)),
                by: fact.by,
                reason: fact.reason,
            },
            Wire::DigestReleased(fact) => Self::DigestReleased {
                digest: hash("digest", &fact.digest)?,
                by: fact.by,
                reason: fact.reason,
            },
            Wire::TokenUsed(fact) => Self::TokenUsed { id: TokenId(fact.id) },
            Wire::TokenRevoked(fact) => Self::TokenRevoked { id: TokenId(fact.id), by: fact.by },
        })
    }
}

fn attempt(job: u64, index: u32, number: u32) -> AttemptId {
    AttemptId { task: TaskId { job: JobId(job), index }, number }
}

fn why(word: String) -> Result<StopReason, ConvertError> {
    let all = [
        StopReason::Cancelled,
        StopReason::Recalled,
        StopReason::Stale,
        StopReason::Preempted,
        StopReason::Drained,
        StopReason::Checkpointed,
        StopReason::Finding,
    ];
    let found = all.into_iter().find(|why| code_of(*why) == word);
    found.ok_or_else(|| ConvertError::new("code", Problem::UnknownWord { word }))
}

fn tier(word: String) -> Result<Tier, ConvertError> {
    let all = [Tier::Encouraged, Tier::Permitted, Tier::Review, Tier::Prohibited];
    let found = all.into_iter().find(|tier| tier.as_str() == word);
    found.ok_or_else(|| ConvertError::new("tier", Problem::UnknownWord { word }))
}

fn submitted(fact: v1::JobSubmitted) -> Result<JobSubmitted, ConvertError> {
    let spec = present("spec", fact.spec)?;
    let waits_for = fact.waits_for.into_iter().map(Dependency::try_from);
    Ok(JobSubmitted {
        job: JobId(fact.job),
        key: key("key", &fact.key)?,
        submitter: fact.submitter,
        spec: Arc::new(JobSpec::try_from(spec).map_err(|error| error.within("spec"))?),
        tier: tier(fact.tier)?,
        policy: hash("policy_hash", &fact.policy_hash)?,
        review: fact.review,
        waits_for: waits_for
            .collect::<Result<_, _>>()
            .map_err(|error| error.within("waits_for"))?,
        approval: approval(fact.approval),
        marks: marks(fact.marks)?,
    })
}

fn approval(id: u64) -> Option<ApprovalId> {
    (id != 0).then_some(ApprovalId(id))
}

fn marks(marks: Vec<v1::Mark>) -> Result<Vec<Mark>, ConvertError> {
    let read = |mark: v1::Mark| {
        let sign = Sign::ALL.into_iter().find(|sign| sign.as_str() == mark.sign);
        let unknown = Problem::UnknownWord { word: mark.sign };
        let sign = sign.ok_or_else(|| ConvertError::new("marks.sign", unknown))?;
        Ok(Mark { sign, place: mark.place, detail: mark.detail })
    };
    marks.into_iter().map(read).collect()
}

fn given(fact: v1::ApprovalGiven) -> Result<Approval, ConvertError> {
    let content = (!fact.content.is_empty()).then(|| hash("content", &fact.content));
    Ok(Approval {
        id: ApprovalId(fact.id),
        class: fact.job_class,
        project: (!fact.project.is_empty()).then_some(fact.project),
        content: content.transpose()?,
        until: Timestamp::from_millis(fact.until_ms),
        by: fact.by,
        reason: fact.reason,
        policy: hash("policy_hash", &fact.policy_hash)?,
    })
}

fn refused(fact: v1::SubmissionRefused) -> Result<SubmissionRefused, ConvertError> {
    Ok(SubmissionRefused {
        submitter: fact.submitter,
        name: fact.name,
        class: fact.job_class,
        code: fact.code,
        text: fact.text,
        policy: hash("policy_hash", &fact.policy_hash)?,
        spec_hash: hash("spec_hash", &fact.spec_hash)?,
        marks: marks(fact.marks)?,
    })
}

fn ended(fact: v1::AttemptEnded) -> Result<AttemptEnded, ConvertError> {
    let outcome = present("outcome", fact.outcome)?;
    Ok(AttemptEnded {
        attempt: attempt(fact.job, fact.index, fact.number),
        outcome: Outcome::try_from(outcome).map_err(|error| error.within("outcome"))?,
        usage: present("usage", fact.usage)?.into(),
        started: moment(fact.started_ms),
        ended: Timestamp::from_millis(fact.ended_ms),
        sequel: known::<v1::Sequel>("sequel", fact.sequel)?.try_into()?,
        again_after: moment(fact.again_after_ms),
        fault: known::<v1::Fault>("fault", fact.fault)?.try_into()?,
    })
}

fn rank_ended(fact: v1::RankEnded) -> Result<RankEnded, ConvertError> {
    let outcome = present("outcome", fact.outcome)?;
    Ok(RankEnded {
        rank: attempt(fact.job, fact.index, fact.number).rank(fact.rank),
        outcome: Outcome::try_from(outcome).map_err(|error| error.within("outcome"))?,
        usage: present("usage", fact.usage)?.into(),
        started: moment(fact.started_ms),
        ended: Timestamp::from_millis(fact.ended_ms),
    })
}

fn kept(fact: v1::OutputsKept) -> Result<OutputsKept, ConvertError> {
    let artefacts = fact.artefacts.into_iter().enumerate().map(|(at, artefact)| {
        Artefact::try_from(artefact).map_err(|error| error.within(&format!("artefacts[{at}]")))
    });
    Ok(OutputsKept {
        rank: attempt(fact.job, fact.index, fact.number).rank(fact.rank),
        artefacts: artefacts.collect::<Result<_, _>>()?,
        missing: fact.missing,
    })
}

fn seen(fact: v1::FindingSeen) -> Result<FindingSeen, ConvertError> {
    let verdicts = fact.verdicts.into_iter().map(Verdict::try_from);
    let images = fact.images.into_iter().map(Image::try_from);
    Ok(FindingSeen {
        finding: FindingId(fact.finding),
        verdicts: verdicts.collect::<Result<_, _>>().map_err(|error| error.within("verdicts"))?,
        images: images.collect::<Result<_, _>>().map_err(|error| error.within("images"))?,
        evidence: fact.evidence.map(Evidence::try_from).transpose()?,
    })
}

fn issued(fact: v1::TokenIssued) -> Result<Fact, ConvertError> {
    Ok(Fact::TokenIssued {
        id: TokenId(fact.id),
        kind: known::<v1::TokenKind>("kind", fact.kind)?.try_into()?,
        role: role(fact.role)?,
        name: fact.name,
        hash: hash("hash", &fact.hash)?,
        expires: moment(fact.expires_ms),
        by: fact.by,
    })
}
