//! Findings, their verdicts and their evidence.

use repower_model::{
    AttemptId, Evidence, Finding, FindingId, FindingReview, FindingSource, FindingState, Image,
    JobId, NodeId, Response, TaskId, Timestamp, Verdict,
};

use super::{ConvertError, Problem, hash, known};
use crate::v1;

impl From<&Finding> for v1::Finding {
    fn from(one: &Finding) -> Self {
        let subject = one.rank.map(|id| v1::FindingSubject {
            index: id.attempt.task.index,
            number: id.attempt.number,
            rank: id.rank,
            node: one.node.map_or(0, |node| node.0),
            node_name: one.node_name.clone(),
        });
        Self {
            id: one.id.0,
            source: v1::FindingSource::from(one.source).into(),
            state: v1::FindingState::from(one.state).into(),
            opened_ms: one.opened.as_millis(),
            job: one.job.map_or(0, |job| job.0),
            subject,
            site: one.site.clone(),
            meter: one.meter.clone(),
            job_class: one.class.clone(),
            project: one.project.clone(),
            submitter: one.submitter.clone(),
            verdicts: one.verdicts.iter().map(Into::into).collect(),
            response: v1::FindingResponse::from(one.response).into(),
            evidence: one.evidence.iter().map(|bundle| (*bundle).into()).collect(),
            images: one.images.iter().map(Into::into).collect(),
            policy_hash: one.policy.0.to_vec(),
            reviews: one.reviews.iter().map(Into::into).collect(),
            hardest: (one.hardest != Response::Kill)
                .then(|| v1::FindingResponse::from(one.hardest).into()),
        }
    }
}

impl TryFrom<v1::Finding> for Finding {
    type Error = ConvertError;

    fn try_from(one: v1::Finding) -> Result<Self, ConvertError> {
        let job = (one.job != 0).then_some(JobId(one.job));
        let rank = job.zip(one.subject.as_ref()).map(|(job, at)| {
            let task = TaskId { job, index: at.index };
            AttemptId { task, number: at.number }.rank(at.rank)
        });
        let node = one.subject.as_ref().map(|at| at.node).filter(|node| *node != 0);
        Ok(Self {
            id: FindingId(one.id),
            source: known::<v1::FindingSource>("source", one.source)?.try_into()?,
            state: known::<v1::FindingState>("state", one.state)?.try_into()?,
            opened: Timestamp::from_millis(one.opened_ms),
            job,
            rank,
            node: node.map(NodeId),
            node_name: one.subject.map(|at| at.node_name).unwrap_or_default(),
            site: one.site,
            meter: one.meter,
            class: one.job_class,
            project: one.project,
            submitter: one.submitter,
            verdicts: each("verdicts", one.verdicts)?,
            response: known::<v1::FindingResponse>("response", one.response)?.into(),
            evidence: each("evidence", one.evidence)?,
            images: each("images", one.images)?,
            policy: hash("policy_hash", &one.policy_hash)?,
            reviews: each("reviews", one.reviews)?,
            hardest: match one.hardest {
                Some(hardest) => known::<v1::FindingResponse>("hardest", hardest)?.into(),
                None => Response::Kill,
            },
        })
    }
}

/// All of a list, or the first error with the place where it is.
fn each<W, T>(field: &str, wires: Vec<W>) -> Result<Vec<T>, ConvertError>
where
    T: TryFrom<W, Error = ConvertError>,
{
    let numbered = wires.into_iter().enumerate();
    numbered
        .map(|(at, wire)| {
            T::try_from(wire).map_err(|error| error.within(&format!("{field}[{at}]")))
        })
        .collect()
}

impl From<&Verdict> for v1::Verdict {
    fn from(one: &Verdict) -> Self {
        Self {
            rule: one.rule.clone(),
            version: one.version,
            tier: one.tier.into(),
            mechanism: one.mechanism.clone(),
            first_seen_ms: one.first_seen.as_millis(),
            last_seen_ms: one.last_seen.as_millis(),
            times: one.times,
            detail: one.detail.clone(),
        }
    }
}

impl TryFrom<v1::Verdict> for Verdict {
    type Error = ConvertError;

    fn try_from(one: v1::Verdict) -> Result<Self, ConvertError> {
        let tier = u8::try_from(one.tier).ok().filter(|tier| (1..=3).contains(tier));
        let value = i32::try_from(one.tier).unwrap_or(i32::MAX);
        Ok(Self {
            rule: one.rule,
            version: one.version,
            tier: tier.ok_or_else(|| ConvertError::new("tier", Problem::Unknown { value }))?,
            mechanism: one.mechanism,
            first_seen: Timestamp::from_millis(one.first_seen_ms),
            last_seen: Timestamp::from_millis(one.last_seen_ms),
            times: one.times,
            detail: one.detail,
        })
    }
}

impl From<Evidence> for v1::Evidence {
    fn from(one: Evidence) -> Self {
        let Evidence { digest, bytes, cut, kept } = one;
        Self { digest: digest.0.to_vec(), bytes, cut, kept }
    }
}

impl TryFrom<v1::Evidence> for Evidence {
    type Error = ConvertError;

    fn try_from(one: v1::Evidence) -> Result<Self, ConvertError> {
        let v1::Evidence { digest, bytes, cut, kept } = one;
        Ok(Self { digest: hash("digest", &digest)?, bytes, cut, kept })
    }
}

impl From<&Image> for v1::Image {
    fn from(one: &Image) -> Self {
        Self { digest: one.digest.0.to_vec(), path: one.path.clone(), shared: one.shared }
    }
}

impl TryFrom<v1::Image> for Image {
    type Error = ConvertError;

    fn try_from(one: v1::Image) -> Result<Self, ConvertError> {
        Ok(Self { digest: hash("digest", &one.digest)?, path: one.path, shared: one.shared })
    }
}

impl From<&FindingReview> for v1::FindingReview {
    fn from(one: &FindingReview) -> Self {
        Self {
            state: v1::FindingState::from(one.state).into(),
            by: one.by.clone(),
            reason: one.reason.clone(),
            at_ms: one.at.as_millis(),
            policy_hash: one.policy.0.to_vec(),
        }
    }
}

impl TryFrom<v1::FindingReview> for FindingReview {
    type Error = ConvertError;

    fn try_from(one: v1::FindingReview) -> Result<Self, ConvertError> {
        Ok(Self {
            state: known::<v1::FindingState>("state", one.state)?.try_into()?,
            by: one.by,
            reason: one.reason,
            at: Timestamp::from_millis(one.at_ms),
            policy: hash("policy_hash", &one.policy_hash)?,
        })
    }
}

impl From<FindingSource> for v1::FindingSource {
    fn from(source: FindingSource) -> Self {
        match source {
            FindingSource::Task => Self::Task,
            FindingSource::Admission => Self::Admission,
        }
    }
}

impl TryFrom<v1::FindingSource> for FindingSource {
    type Error = ConvertError;

    fn try_from(source: v1::FindingSource) -> Result<Self, ConvertError> {
        match source {
            v1::FindingSource::Unspecified => {
                Err(ConvertError::new("source", Problem::Unknown { value: 0 }))
            }
            v1::FindingSource::Task => Ok(Self::Task),
            v1::FindingSource::Admission => Ok(Self::Admission),
        }
    }
}

impl From<FindingState> for v1::FindingState {
    fn from(state: FindingState) -> Self {
        match state {
            FindingState::Open => Self::Open,
            FindingState::UnderReview => Self::UnderReview,
            FindingState::Confirmed => Self::Confirmed,
            FindingState::Dismissed => Self::Dismissed,
            FindingState::Appealed => Self::Appealed,
            FindingState::Lapsed => Self::Lapsed,
        }
    }
}

impl TryFrom<v1::FindingState> for FindingState {
    type Error = ConvertError;

    fn try_from(state: v1::FindingState) -> Result<Self, ConvertError> {
        match state {
            v1::FindingState::Unspecified => {
                Err(ConvertError::new("state", Problem::Unknown { value: 0 }))
            }
            v1::FindingState::Open => Ok(Self::Open),
            v1::FindingState::UnderReview => Ok(Self::UnderReview),
            v1::FindingState::Confirmed => Ok(Self::Confirmed),
            v1::FindingState::Dismissed => Ok(Self::Dismissed),
            v1::FindingState::Appealed => Ok(Self::Appealed),
            v1::FindingState::Lapsed => Ok(Self::Lapsed),
        }
    }
}

impl From<Response> for v1::FindingResponse {
    fn from(response: Response) -> Self {
        match response {
            Response::None => Self::None,
            Response::Ask => Self::Ask,
            Response::Hold => Self::Hold,
            Response::Freeze => Self::Freeze,
            Response::Kill => Self::Kill,
        }
    }
}

impl From<v1::FindingResponse> for Response {
    fn from(response: v1::FindingResponse) -> Self {
        match response {
            v1::FindingResponse::None => Self::None,
            v1::FindingResponse::Ask => Self::Ask,
            v1::FindingResponse::Hold => Self::Hold,
            v1::FindingResponse::Freeze => Self::Freeze,
            v1::FindingResponse::Kill => Self::Kill,
        }
    }
}
