//! Findings as JSON.

use repower_proto::v1;
use serde::Serialize;

use super::{hex, text};
use crate::render::{time, words};

/// All findings of a list.
#[derive(Debug, Serialize)]
pub struct Findings {
    findings: Vec<Finding>,
    more: bool,
}

/// A finding, and what follows from it.
#[derive(Debug, Serialize)]
pub struct Finding {
    id: u64,
    source: &'static str,
    state: &'static str,
    opened_at: Option<String>,
    job: Option<u64>,
    index: Option<u32>,
    attempt: Option<u32>,
    rank: Option<u32>,
    node: Option<String>,
    site: Option<String>,
    meter: Option<String>,
    class: String,
    project: String,
    submitter: String,
    response: &'static str,
    holds_outputs: bool,
    frozen: bool,
    live: bool,
    first_seen_at: Option<String>,
    last_seen_at: Option<String>,
    verdicts: Vec<Verdict>,
    evidence: Vec<Evidence>,
    programs: Vec<Program>,
    exposure: Exposure,
    decisions: Vec<Decision>,
    policy_hash: String,
}

#[derive(Debug, Serialize)]
struct Verdict {
    rule: String,
    version: u32,
    tier: u32,
    mechanism: String,
    first_seen_at: Option<String>,
    last_seen_at: Option<String>,
    times: u64,
    detail: Option<String>,
}

#[derive(Debug, Serialize)]
struct Evidence {
    sha256: String,
    bytes: u64,
    cut: bool,
    kept: bool,
}

#[derive(Debug, Serialize)]
struct Program {
    sha256: String,
    path: String,
    of_the_host: bool,
    quarantined: bool,
}

/// What a finding can cost. What is null is not known.
#[derive(Debug, Clone, Serialize)]
pub struct Exposure {
    /// In millionths of the currency's unit.
    pub amount_micro: Option<u64>,
    /// In milliwatt-hours.
    pub energy_mwh: Option<u64>,
    surcharge_micro_per_kwh: Option<u64>,
    scope: Option<String>,
    /// Why something is not known.
    pub unknown: Option<String>,
    /// Three letters.
    pub currency: Option<String>,
    jurisdiction: Option<String>,
    rule: Option<String>,
    charged_from: Option<String>,
    charged_until: Option<String>,
    /// How it is reckoned.
    pub formula: Option<String>,
    /// The same by what is declared of nodes.
    pub stated: Option<Stated>,
}

/// A figure by what is declared of nodes.
#[derive(Debug, Clone, Serialize)]
pub struct Stated {
    milliwatts: u64,
    nodes: u32,
    /// In milliwatt-hours.
    pub energy_mwh: u64,
    /// In millionths of the currency's unit.
    pub amount_micro: u64,
    /// How it is reckoned.
    pub basis: String,
}

#[derive(Debug, Serialize)]
struct Decision {
    state: &'static str,
    by: String,
    reason: String,
    at: Option<String>,
    policy_hash: String,
}

/// Programs that must not run.
#[derive(Debug, Serialize)]
pub struct Quarantine {
    quarantined: Vec<Quarantined>,
}

#[derive(Debug, Serialize)]
struct Quarantined {
    sha256: String,
    since: Option<String>,
    by: String,
    reason: String,
    finding: Option<u64>,
}

impl From<&v1::ListFindingsReply> for Findings {
    fn from(reply: &v1::ListFindingsReply) -> Self {
        Self { findings: reply.findings.iter().map(Finding::from).collect(), more: reply.more }
    }
}

impl From<&v1::FindingReply> for Finding {
    fn from(reply: &v1::FindingReply) -> Self {
        let one = reply.finding.clone().unwrap_or_default();
        let subject = one.subject.as_ref();
        let first = one.verdicts.iter().map(|verdict| verdict.first_seen_ms).min();
        let last = one.verdicts.iter().map(|verdict| verdict.last_seen_ms).max();
        let program = |image: &v1::Image| Program {
            sha256: hex(&image.digest),
            path: image.path.clone(),
            of_the_host: image.shared,
            quarantined: reply.quarantined.contains(&image.digest),
        };
        let decision = |review: &v1::FindingReview| Decision {
            state: words::finding_state(review.state()),
            by: review.by.clone(),
            reason: review.reason.clone(),
            at: time::rfc3339(review.at_ms),
            policy_hash: hex(&review.policy_hash),
        };
        Self {
            id: one.id,
            source: words::finding_source(one.source()),
            state: words::finding_state(one.state()),
            opened_at: time::rfc3339(one.opened_ms),
            job: (one.job != 0).then_some(one.job),
            index: subject.map(|at| at.index),
            attempt: subject.map(|at| at.number),
            rank: subject.map(|at| at.rank),
            node: subject.and_then(|at| text(&at.node_name)),
            site: text(&one.site),
            meter: text(&one.meter),
            class: one.job_class.clone(),
            project: one.project.clone(),
            submitter: one.submitter.clone(),
            response: response(&one),
            holds_outputs: reply.holds_outputs,
            frozen: reply.is_frozen,
            live: reply.is_live,
            first_seen_at: first.and_then(time::rfc3339),
            last_seen_at: last.and_then(time::rfc3339),
            verdicts: one.verdicts.iter().map(Verdict::from).collect(),
            evidence: one.evidence.iter().map(Evidence::from).collect(),
            programs: one.images.iter().map(program).collect(),
            exposure: Exposure::from(reply.exposure.as_ref()),
            decisions: one.reviews.iter().map(decision).collect(),
            policy_hash: hex(&one.policy_hash),
        }
    }
}

/// What is done: with a task, or with what was noticed before it could be one.
fn response(one: &v1::Finding) -> &'static str {
    match (one.source(), one.job) {
        (v1::FindingSource::Admission, 0) => "refused",
        (v1::FindingSource::Admission, _) => "held",
        (v1::FindingSource::Task | v1::FindingSource::Unspecified, _) => {
            words::finding_response(one.response())
        }
    }
}

impl From<&v1::Verdict> for Verdict {
    fn from(one: &v1::Verdict) -> Self {
        Self {
            rule: one.rule.clone(),
            version: one.version,
            tier: one.tier,
            mechanism: one.mechanism.clone(),
            first_seen_at: time::rfc3339(one.first_seen_ms),
            last_seen_at: time::rfc3339(one.last_seen_ms),
            times: one.times,
            detail: text(&one.detail),
        }
    }
}

impl From<&v1::Evidence> for Evidence {
    fn from(one: &v1::Evidence) -> Self {
        Self { sha256: hex(&one.digest), bytes: one.bytes, cut: one.cut, kept: one.kept }
    }
}

impl From<Option<&v1::Exposure>> for Exposure {
    fn from(one: Option<&v1::Exposure>) -> Self {
        let one = one.cloned().unwrap_or_default();
        let stated = one.stated.map(|stated| Stated {
            milliwatts: stated.milliwatts,
            nodes: stated.nodes,
            energy_mwh: stated.energy_mwh,
            amount_micro: stated.amount_micro,
            basis: stated.basis,
        });
        Self {
            amount_micro: one.amount_micro,
            energy_mwh: one.energy_mwh,
            surcharge_micro_per_kwh: one.surcharge_micro_per_kwh,
            scope: text(&one.scope),
            unknown: text(&one.unknown),
            currency: text(&one.currency),
            jurisdiction: text(&one.jurisdiction),
            rule: text(&one.rule),
            charged_from: one.from_ms.and_then(time::rfc3339),
            charged_until: one.until_ms.and_then(time::rfc3339),
            formula: text(&one.formula),
            stated,
        }
    }
}

impl From<&v1::ListQuarantinedReply> for Quarantine {
    fn from(reply: &v1::ListQuarantinedReply) -> Self {
        let one = |one: &v1::Quarantined| Quarantined {
            sha256: hex(&one.digest),
            since: time::rfc3339(one.since_ms),
            by: one.by.clone(),
            reason: one.reason.clone(),
            finding: (one.finding != 0).then_some(one.finding),
        };
        Self { quarantined: reply.quarantined.iter().map(one).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noticed_at_admission_froze_nothing() {
        let freeze = v1::FindingResponse::Freeze.into();
        let of = |source: v1::FindingSource, job| {
            response(&v1::Finding {
                source: source.into(),
                job,
                response: freeze,
                ..v1::Finding::default()
            })
        };

        assert_eq!(of(v1::FindingSource::Admission, 0), "refused");
        assert_eq!(of(v1::FindingSource::Admission, 7), "held");
        assert_eq!(of(v1::FindingSource::Task, 7), "freeze");
    }
}
