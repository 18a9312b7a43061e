//! A small report, for the page that shows its shape.

use std::sync::Arc;

use repower_core::fact::{AttemptEnded, Entry, Fact, JobSubmitted, SubmissionRefused};
use repower_core::policy::{Tier, hash_of};
use repower_model::{
    Approval, ApprovalId, AttemptId, Evidence, Fault, Finding, FindingId, FindingSource,
    FindingState, Hash, Instance, Inventory, JobId, JobSpec, JobState, Key, NodeId, Outcome,
    Response, Sequel, Span, TaskId, Timestamp, TokenId, Usage, Verdict,
};

use super::{Compliance, Gather, Ledger};

const POLICY: &str = r#"policy-version = "cn-zj-2026-11"
jurisdictions = ["CN-ZJ"]
[catalogue]
jurisdiction = "CN"
edition = "产业结构调整指导目录(2024年本)"
effective = "2024-02-01"
[site]
operator = "示例算力有限公司"
account = "M-01"
[class.sci-simulation]
tier = "encouraged"
evidence = ["artefact"]
[class.hash-heavy]
tier = "review"
[tariff.CN-ZJ]
currency = "CNY"
surcharge-micro-per-kwh = 500000
scope = "whole-account"
"#;

/// 2026-05-01 11:00 in UTC.
const AT: Timestamp = Timestamp::from_millis(1_777_633_200_000);

/// A report of a job, a refusal, a review, an approval and a finding.
pub(crate) fn example() -> Compliance {
    let mut gather = Gather::new(None, None);
    for (seq, fact) in facts().into_iter().enumerate() {
        let seq = u64::try_from(seq).expect("there are few");
        gather.take(&Entry { seq, at: AT + Span::from_secs(seq * 10), fact });
    }
    gather.finish(Ledger {
        origin: "repower.example/farm".into(),
        size: 13,
        root: "ab".repeat(32),
        verified: true,
        head: "repower.example/farm\n13\nq6ur..\n".into(),
        key: "repower.example/farm+1a2b3c4d+Ab..".into(),
        made_by: "repower 0.1.0".into(),
    })
}

fn facts() -> Vec<Fact> {
    let policy = hash_of(POLICY.as_bytes());
    let node = NodeId(7);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let inventory = Inventory {
        kernel: "6.1.0".into(),
        isa_level: "x86-64-v3".into(),
        version: "0.1.0".into(),
        labels: vec![pair("meter", "M-01"), pair("site", "hangzhou"), pair("watts", "450")],
        abilities: vec!["limit.memory".into(), "sensor.registers".into()],
        ..Inventory::default()
    };
    vec![
        Fact::PolicyAdopted {
            version: "cn-zj-2026-11".into(),
            hash: policy,
            text: POLICY.into(),
            by: "op".into(),
        },
        Fact::NodeEnrolled {
            node,
            name: "rig-07".into(),
            fingerprint: Hash([1; 32]),
            token: TokenId(1),
        },
        Fact::NodeConnected { node, instance: Instance([2; 16]), inventory: Box::new(inventory) },
        submitted(policy),
        Fact::AttemptPlaced {
            attempt: attempt(),
            node,
            runway: false,
            alternative: 0,
            parts: Vec::new(),
        },
        Fact::AttemptStarted { attempt: attempt(), started: AT + Span::from_secs(31) },
        Fact::SubmissionRefused(Box::new(SubmissionRefused {
            submitter: "ada".into(),
            name: "night".into(),
            class: "sci-simulation".into(),
            code: "content.pool-client".into(),
            text: "the script has 2 words of pool protocols".into(),
            policy,
            spec_hash: Hash([3; 32]),
            marks: Vec::new(),
        })),
        Fact::JobReviewed {
            job: JobId(11),
            approved: true,
            by: "op".into(),
            reason: "checksums, contract 7".into(),
            policy,
            approval: None,
        },
        Fact::ApprovalGiven(Box::new(Approval {
            id: ApprovalId(3),
            class: "hash-heavy".into(),
            project: Some("archive".into()),
            content: None,
            until: AT + Span::from_secs(43_200),
            by: "op".into(),
            reason: "deduplication, contract 7".into(),
            policy,
        })),
        Fact::FindingOpened(Box::new(finding(policy))),
        Fact::FindingReviewed {
            finding: FindingId(3),
            state: FindingState::Confirmed,
            by: "op".into(),
            reason: "it hashes".into(),
            policy,
        },
        Fact::AttemptEnded(Box::new(AttemptEnded {
            attempt: attempt(),
            outcome: Outcome::Finding { detail: "finding 3".into() },
            usage: Usage { wall_us: 61_500_000, cpu_us: 118_000_000, ..Usage::default() },
            started: Some(AT + Span::from_secs(31)),
            ended: AT + Span::from_secs(92),
            sequel: Sequel::Failed,
            again_after: None,
            fault: Fault::User,
        })),
        Fact::JobEnded {
            job: JobId(12),
            state: JobState::Failed,
            succeeded: 0,
            failed: 1,
            cancelled: 0,
            exit_code: 77,
        },
    ]
}

fn attempt() -> AttemptId {
    AttemptId { task: TaskId { job: JobId(12), index: 0 }, number: 1 }
}

fn submitted(policy: Hash) -> Fact {
    Fact::JobSubmitted(Box::new(JobSubmitted {
        job: JobId(12),
        key: Key([4; 16]),
        submitter: "mia".into(),
        spec: Arc::new(JobSpec {
            name: "fold".into(),
            class: "sci-simulation".into(),
            project: "vision".into(),
            command: vec!["./fold".into()],
            ..JobSpec::default()
        }),
        tier: Tier::Encouraged,
        policy,
        review: false,
        waits_for: Vec::new(),
        approval: None,
        marks: Vec::new(),
    }))
}

fn finding(policy: Hash) -> Finding {
    let task = TaskId { job: JobId(12), index: 0 };
    let verdict = Verdict {
        rule: "registers.rounding-modes".into(),
        version: 1,
        tier: 1,
        mechanism: "registers".into(),
        first_seen: AT + Span::from_secs(30),
        last_seen: AT + Span::from_secs(60),
        times: 2,
        detail: "process 4711".into(),
    };
    Finding {
        job: Some(task.job),
        rank: Some(AttemptId { task, number: 1 }.rank(0)),
        node: Some(NodeId(7)),
        node_name: "rig-07".into(),
        site: "hangzhou".into(),
        meter: "M-01".into(),
        class: "sci-simulation".into(),
        project: "vision".into(),
        submitter: "mia".into(),
        verdicts: vec![verdict],
        response: Response::Freeze,
        evidence: vec![Evidence {
            digest: Hash([0xab; 32]),
            bytes: 18_231,
            cut: false,
            kept: true,
        }],
        ..Finding::new(FindingId(3), FindingSource::Task, AT + Span::from_secs(60), policy)
    }
}
