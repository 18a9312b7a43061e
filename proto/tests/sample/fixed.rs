//! One fact of every variant, with every field set.

use std::sync::Arc;

use repower_core::fact::{
    AttemptEnded, Entry, Fact, FindingSeen, JobSubmitted, OutputsKept, RankEnded, SubmissionRefused,
};
use repower_core::policy::Tier;
use repower_model::{
    Approval, ApprovalId, Array, Artefact, AttemptId, Bytes, Claim, Count, Cpus, Dependency,
    DependencyKind, Egress, Evidence, Fault, Finding, FindingId, FindingSource, FindingState,
    Fraction, Hash, Image, IndexRange, InputFile, Instance, Inventory, Isolation, JobId, JobSpec,
    JobState, Keep, Key, Mark, NodeId, OnDisconnect, Outcome, Part, Progress, Reservation,
    ReservationId, Resources, Response, Retries, Role, Sequel, Sign, Source, Span, StopCause,
    StopReason, StopStep, Stored, TaskId, Timestamp, TokenId, TokenKind, Usage, Variable, Verdict,
};

const AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);
const ATTEMPT: AttemptId = AttemptId { task: TaskId { job: JobId(12), index: 3 }, number: 2 };
const NODE: NodeId = NodeId(4);

fn range(first: u32, last: u32, step: u32) -> IndexRange {
    IndexRange { first, last, step }
}

fn resources() -> Resources {
    Resources {
        cpus: Cpus::from_milli(1500),
        memory: Bytes::from_gib(2),
        disk: Bytes::from_mib(5),
        extras: vec![("licence".into(), 1), ("scratch".into(), 300)],
    }
}

fn spec() -> JobSpec {
    JobSpec {
        name: "sweep".into(),
        class: "ai-training".into(),
        project: "vision".into(),
        command: vec!["train".into(), "--rate=0.1".into()],
        script: b"#!/bin/sh\n".into(),
        environment: vec![Variable { name: "LANG".into(), value: "C".into() }],
        working_folder: "/srv/data".into(),
        array: Array::new(vec![range(0, 9, 1), range(20, 30, 5)], Some(4)).expect("a valid array"),
        resources: resources(),
        time_limit: Some(Span::from_secs(3600)),
        grace: Span::from_secs(5),
        priority: -7,
        start_after: Some(AT),
        retries: Retries { user: 1, system: 2 },
        dependencies: vec![Dependency {
            job: JobId(11),
            kind: DependencyKind::Any,
            per_task: false,
        }],
        ..JobSpec::default()
    }
}

fn inventory() -> Inventory {
    Inventory {
        capacity: resources(),
        hostname: "rack-7".into(),
        kernel: "6.1.0".into(),
        cpu_model: "Xeon E5-2680 v3".into(),
        isa_level: "x86-64-v3".into(),
        sockets: 2,
        version: "0.1.0".into(),
        labels: Vec::new(),
        address: String::new(),
        abilities: Vec::new(),
        lacks: Vec::new(),
    }
}

fn submitted() -> JobSubmitted {
    JobSubmitted {
        job: JobId(12),
        key: Key([7; 16]),
        submitter: "ada".into(),
        spec: Arc::new(spec()),
        tier: Tier::Review,
        policy: Hash([8; 32]),
        review: true,
        waits_for: vec![Dependency {
            job: JobId(11),
            kind: DependencyKind::NotOk,
            per_task: false,
        }],
        approval: None,
        marks: Vec::new(),
    }
}

fn refused() -> SubmissionRefused {
    SubmissionRefused {
        submitter: "eve".into(),
        name: "xmr".into(),
        class: "pow-mining".into(),
        code: "class.prohibited".into(),
        text: "class `pow-mining` is prohibited".into(),
        policy: Hash([8; 32]),
        spec_hash: Hash([9; 32]),
        marks: Vec::new(),
    }
}

fn ended() -> AttemptEnded {
    AttemptEnded {
        attempt: ATTEMPT,
        outcome: Outcome::Exited { code: 3 },
        usage: Usage {
            wall_us: 1_000_000,
            cpu_us: 900_000,
            peak_memory_bytes: 1 << 20,
            stdout_bytes: 12,
            stderr_bytes: 13,
            truncated: true,
            ..Usage::default()
        },
        started: Some(AT),
        ended: AT + Span::from_secs(1),
        sequel: Sequel::Again,
        again_after: Some(AT + Span::from_secs(2)),
        fault: Fault::User,
    }
}

fn of_jobs() -> Vec<Fact> {
    let (by, reason) = ("op".to_owned(), "asked for".to_owned());
    vec![
        Fact::JobSubmitted(Box::new(submitted())),
        Fact::SubmissionRefused(Box::new(refused())),
        Fact::JobReviewed {
            job: JobId(12),
            approved: true,
            by: by.clone(),
            reason: reason.clone(),
            policy: Hash([8; 32]),
            approval: None,
        },
        Fact::DependencySettled { job: JobId(12), on: JobId(11), met: true },
        Fact::TasksCancelled { job: JobId(12), tasks: vec![range(4, 8, 2)], by, reason },
        Fact::JobEnded {
            job: JobId(12),
            state: JobState::Failed,
            succeeded: 10,
            failed: 2,
            cancelled: 1,
            exit_code: 3,
        },
    ]
}

fn of_attempts() -> Vec<Fact> {
    vec![
        Fact::AttemptPlaced {
            attempt: ATTEMPT,
            node: NODE,
            runway: true,
            alternative: 0,
            parts: Vec::new(),
        },
        Fact::AttemptStarted { attempt: ATTEMPT, started: AT },
        Fact::AttemptStopping {
            attempt: ATTEMPT,
            why: StopReason::Recalled,
            by: "scheduler".into(),
            reason: "n5 is free".into(),
        },
        Fact::AttemptEnded(Box::new(ended())),
        Fact::TaskReturned { task: ATTEMPT.task, node: NODE },
    ]
}

fn of_nodes() -> Vec<Fact> {
    let reason = || "it smokes".to_owned();
    vec![
        Fact::NodeEnrolled {
            node: NODE,
            name: "n4".into(),
            fingerprint: Hash([5; 32]),
            token: TokenId(2),
        },
        Fact::NodeConnected {
            node: NODE,
            instance: Instance([6; 16]),
            inventory: Box::new(inventory()),
        },
        Fact::NodeLost { node: NODE, reason: reason() },
        Fact::NodeLeft { node: NODE, reason: reason() },
        Fact::NodeDrained { node: NODE, by: "op".into(), reason: reason() },
        Fact::NodeResumed { node: NODE, by: "op".into() },
        Fact::NodeHeldBack { node: NODE, reason: reason() },
    ]
}

fn of_the_cell() -> Vec<Fact> {
    vec![
        Fact::CellFounded { cell: "cell-a".into(), version: "0.1.0".into() },
        Fact::PolicyAdopted {
            version: "1".into(),
            hash: Hash([8; 32]),
            text: "policy-version = \"1\"".into(),
            by: String::new(),
        },
        Fact::TokenIssued {
            id: TokenId(2),
            kind: TokenKind::Join,
            role: None,
            name: "n4".into(),
            hash: Hash([4; 32]),
            expires: Some(AT),
            by: "admin".into(),
        },
        Fact::TokenUsed { id: TokenId(2) },
        Fact::TokenRevoked { id: TokenId(2), by: "admin".into() },
    ]
}

fn of_roles() -> Vec<Fact> {
    let issued = |id, role, name: &str| Fact::TokenIssued {
        id: TokenId(id),
        kind: TokenKind::Person,
        role,
        name: name.into(),
        hash: Hash([5; 32]),
        expires: None,
        by: "admin".into(),
    };
    // The first is of before there were roles.
    vec![
        issued(3, None, "admin"),
        issued(4, Some(Role::Submitter), "ada"),
        issued(5, Some(Role::Operator), "mia"),
    ]
}

fn of_reservations() -> Vec<Fact> {
    vec![
        Fact::ReservationMade(Box::new(Reservation {
            id: ReservationId(1),
            nodes: vec![NodeId(4), NodeId(9)],
            from: AT,
            until: AT + Span::from_secs(3600),
            project: Some("vision".into()),
            by: "op".into(),
            reason: "a paper".into(),
        })),
        Fact::ReservationEnded {
            id: ReservationId(1),
            by: "scheduler".into(),
            reason: "its time is over".into(),
        },
    ]
}

/// What gangs brought.
fn of_gangs() -> Vec<Fact> {
    let part = |node, ranks| Part { node: NodeId(node), ranks };
    let inventory = Inventory { address: "10.0.0.4".into(), ..inventory() };
    vec![
        Fact::AttemptPlaced {
            attempt: ATTEMPT,
            node: NODE,
            runway: false,
            alternative: 0,
            parts: vec![part(4, 2), part(9, 1)],
        },
        Fact::RankStarted { rank: ATTEMPT.rank(2), started: AT },
        Fact::RankEnded(Box::new(RankEnded {
            rank: ATTEMPT.rank(2),
            outcome: Outcome::Lost { detail: "the node was lost".into() },
            usage: ended().usage,
            started: Some(AT),
            ended: AT + Span::from_secs(1),
        })),
        Fact::NodeConnected {
            node: NODE,
            instance: Instance([6; 16]),
            inventory: Box::new(inventory),
        },
    ]
}

/// What files, isolation and orderly stops brought.
fn of_execution() -> Vec<Fact> {
    let artefact = Artefact { path: "out/a.txt".into(), bytes: 12, digest: Hash([3; 32]) };
    let inputs = vec![
        InputFile {
            source: Source::Stored { digest: Hash([1; 32]), bytes: 7 },
            path: "data".into(),
            unpack: true,
            executable: false,
        },
        InputFile {
            source: Source::Url {
                url: "https://example.org/model".into(),
                digest: Some(Hash([2; 32])),
            },
            path: "bin/model".into(),
            unpack: false,
            executable: true,
        },
    ];
    let spec = JobSpec {
        checkpoint_grace: Some(Span::from_secs(30)),
        checkpoint_exit: Some(85),
        on_disconnect: OnDisconnect::Keep,
        inputs,
        outputs: vec!["out/*.txt".into()],
        keep_outputs: Keep::OnSuccess,
        isolation: Isolation::Sealed,
        egress: Some(Egress::Only(vec!["example.org:443".into()])),
        pids: Some(64),
        image: "localhost/train@sha256:00".into(),
        ..spec()
    };
    let inventory = Inventory { abilities: vec!["limit.memory".into()], ..inventory() };
    let usage = Usage { read_bytes: 1, written_bytes: 2, oom_kills: 3, ..ended().usage };
    vec![
        Fact::JobSubmitted(Box::new(JobSubmitted { spec: Arc::new(spec), ..submitted() })),
        Fact::OutputsKept(Box::new(OutputsKept {
            rank: ATTEMPT.rank(1),
            artefacts: vec![artefact],
            missing: vec!["`*.log` matches nothing".into()],
        })),
        Fact::StopStepTaken {
            rank: ATTEMPT.rank(1),
            step: StopStep::Checkpoint,
            cause: StopCause::Preempted,
            signal: 10,
            taken: AT,
        },
        Fact::AttemptEnded(Box::new(AttemptEnded {
            outcome: Outcome::Checkpointed { code: 85 },
            usage,
            fault: Fault::None,
            ..ended()
        })),
        Fact::NodeConnected {
            node: NODE,
            instance: Instance([6; 16]),
            inventory: Box::new(inventory),
        },
    ]
}

/// What preemption with promises brought.
fn of_promises() -> Vec<Fact> {
    let part = |node, ranks| Part { node: NodeId(node), ranks };
    let until = AT + Span::from_secs(70);
    vec![Fact::PlacePromised { task: ATTEMPT.task, parts: vec![part(4, 2), part(9, 1)], until }]
}

/// What checkpoints brought.
fn of_checkpoints() -> Vec<Fact> {
    let spec = JobSpec { checkpoint: true, ..spec() };
    let stored = Stored { digest: Hash([5; 32]), bytes: 4096 };
    vec![
        Fact::JobSubmitted(Box::new(JobSubmitted { spec: Arc::new(spec), ..submitted() })),
        Fact::CheckpointSettled { attempt: ATTEMPT, kept: Ok(stored) },
        Fact::CheckpointSettled { attempt: ATTEMPT, kept: Err("the disk is full".into()) },
    ]
}

/// What approvals and the scan of what jobs bring along brought.
fn of_reviews() -> Vec<Fact> {
    let (by, reason) = ("op".to_owned(), "checksums of the archive".to_owned());
    let marks = vec![Mark {
        sign: Sign::PoolClient,
        place: "script".into(),
        detail: "2 words of pool protocols".into(),
    }];
    let policy = Hash([8; 32]);
    vec![
        Fact::PolicyAdopted {
            version: "2".into(),
            hash: policy,
            text: "policy-version = \"2\"".into(),
            by: by.clone(),
        },
        Fact::JobSubmitted(Box::new(JobSubmitted {
            review: false,
            approval: Some(ApprovalId(3)),
            marks: marks.clone(),
            ..submitted()
        })),
        Fact::SubmissionRefused(Box::new(SubmissionRefused { marks, ..refused() })),
        Fact::JobReviewed {
            job: JobId(12),
            approved: true,
            by: by.clone(),
            reason: reason.clone(),
            policy,
            approval: Some(ApprovalId(3)),
        },
        Fact::ApprovalGiven(Box::new(Approval {
            id: ApprovalId(3),
            class: "hash-heavy".into(),
            project: Some("vision".into()),
            content: Some(Hash([7; 32])),
            until: AT + Span::from_secs(3600),
            by: by.clone(),
            reason: reason.clone(),
            policy,
        })),
        Fact::ApprovalEnded { id: ApprovalId(3), by, reason, policy },
    ]
}

/// What commands in the boxes of tasks brought.
fn of_sessions() -> Vec<Fact> {
    let command = vec!["ps".into(), "-ef".into()];
    vec![Fact::TaskEntered { rank: ATTEMPT.rank(1), by: "op".into(), command }]
}

/// What findings brought.
fn of_findings() -> Vec<Fact> {
    let verdict = |rule: &str, tier| Verdict {
        rule: rule.into(),
        version: 1,
        tier,
        mechanism: "registers".into(),
        first_seen: AT,
        last_seen: AT + Span::from_secs(20),
        times: 2,
        detail: "process 4711".into(),
    };
    let evidence = Evidence { digest: Hash([4; 32]), bytes: 65_536, cut: true, kept: true };
    let image = Image { digest: Hash([5; 32]), path: "/srv/a.out".into(), shared: false };
    let finding = Finding {
        id: FindingId(3),
        source: FindingSource::Task,
        state: FindingState::Open,
        opened: AT,
        job: Some(ATTEMPT.task.job),
        rank: Some(ATTEMPT.rank(1)),
        node: Some(NODE),
        node_name: "rig-07".into(),
        site: "hall-2".into(),
        meter: "3301-77".into(),
        class: "sci-simulation".into(),
        project: "vision".into(),
        submitter: "ada".into(),
        verdicts: vec![verdict("registers.rounding-modes", 1)],
        response: Response::Freeze,
        evidence: vec![evidence],
        images: vec![image.clone()],
        policy: Hash([6; 32]),
        reviews: Vec::new(),
        hardest: Response::Kill,
    };
    let (finding_id, by, reason) = (FindingId(3), || "mia".to_owned(), || "it hashes".to_owned());
    vec![
        Fact::FindingOpened(Box::new(finding)),
        Fact::FindingSeen(Box::new(FindingSeen {
            finding: finding_id,
            verdicts: vec![verdict("load.flat", 3)],
            images: vec![Image { shared: true, ..image }],
            evidence: Some(Evidence { cut: false, kept: false, ..evidence }),
        })),
        Fact::FindingReviewed {
            finding: finding_id,
            state: FindingState::Confirmed,
            by: by(),
            reason: reason(),
            policy: Hash([6; 32]),
        },
        Fact::DigestQuarantined {
            digest: Hash([5; 32]),
            finding: Some(finding_id),
            by: by(),
            reason: reason(),
        },
        Fact::DigestReleased { digest: Hash([5; 32]), by: by(), reason: "an error".into() },
        Fact::AttemptEnded(Box::new(AttemptEnded {
            outcome: Outcome::Finding { detail: "finding 3: load.flat".into() },
            ..ended()
        })),
        Fact::AttemptStopping {
            attempt: ATTEMPT,
            why: StopReason::Finding,
            by: by(),
            reason: reason(),
        },
    ]
}

fn of_progress() -> Vec<Fact> {
    let count = Count { unit: "step".into(), value: 1200, total: Some(3000) };
    let progress = Progress {
        claim: Some(Claim { done: Fraction::from_ppm(420_000), count: Some(count) }),
        said: Timestamp::from_millis(1_700_000_009_000),
        changed: Timestamp::from_millis(1_700_000_008_000),
        first: Fraction::from_ppm(7)
            .map(|first| (first, Timestamp::from_millis(1_700_000_001_000))),
        lines: 12,
        bad_lines: 3,
        mistake: "it is longer than 128 bytes".into(),
    };
    vec![Fact::ProgressClaimed { rank: ATTEMPT.rank(1), progress: Box::new(progress) }]
}

fn of_users() -> Vec<Fact> {
    let spec = JobSpec { project_user: true, ..spec() };
    vec![Fact::JobSubmitted(Box::new(JobSubmitted { spec: Arc::new(spec), ..submitted() }))]
}

fn of_disks() -> Vec<Fact> {
    let spec = JobSpec { io_weight: Some(250), ..spec() };
    vec![Fact::JobSubmitted(Box::new(JobSubmitted { spec: Arc::new(spec), ..submitted() }))]
}

/// One fact of every variant. What came later stands at the end: the lines before never change.
pub(crate) fn fixed() -> Vec<Entry> {
    let early = [of_the_cell(), of_jobs(), of_attempts(), of_nodes()];
    let late = [
        of_reservations(),
        of_gangs(),
        of_execution(),
        of_promises(),
        of_checkpoints(),
        of_reviews(),
        of_sessions(),
        of_findings(),
        of_progress(),
        of_roles(),
        of_users(),
        of_disks(),
    ];
    let facts = early.into_iter().chain(late).flatten();
    facts.zip(1..).map(|(fact, seq)| Entry { seq, at: AT, fact }).collect()
}
