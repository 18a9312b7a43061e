//! `docs/json.md` shows every shape with an example, exactly as it is printed.

use repower_proto::v1::{
    self, DependencyKind, JobState, NodePhase, OutcomeKind, Stream, TaskState, TokenKind,
};
use serde::Serialize;
use uuid::Uuid;

use super::*;
use crate::render::testing::hold_page;

fn pretty(value: &impl Serialize) -> String {
    serde_json::to_string_pretty(value).expect("JSON") + "\n"
}

fn findings() -> v1::ListFindingsReply {
    let finding = v1::Finding {
        id: 3,
        source: v1::FindingSource::Task.into(),
        state: v1::FindingState::Open.into(),
        opened_ms: 1_777_633_260_000,
        job: 12,
        subject: Some(v1::FindingSubject {
            index: 3,
            number: 2,
            rank: 0,
            node: 7,
            node_name: "rig-07".into(),
        }),
        site: "hangzhou".into(),
        meter: "M-01".into(),
        job_class: "sci-simulation".into(),
        project: "vision".into(),
        submitter: "mia".into(),
        verdicts: vec![v1::Verdict {
            rule: "registers.rounding-modes".into(),
            version: 1,
            tier: 1,
            mechanism: "registers".into(),
            first_seen_ms: 1_777_633_230_000,
            last_seen_ms: 1_777_633_260_000,
            times: 2,
            detail: "process 4711".into(),
        }],
        response: v1::FindingResponse::Freeze.into(),
        evidence: vec![v1::Evidence {
            digest: vec![0xab; 32],
            bytes: 18_231,
            cut: false,
            kept: true,
        }],
        images: vec![v1::Image {
            digest: vec![0xcd; 32],
            path: "/srv/mia/a.out".into(),
            shared: false,
        }],
        policy_hash: vec![0xef; 32],
        ..v1::Finding::default()
    };
    let exposure = v1::Exposure {
        surcharge_micro_per_kwh: Some(500_000),
        scope: "whole-account".into(),
        unknown: "no meter of account M-01 is read".into(),
        currency: "CNY".into(),
        jurisdiction: "CN-ZJ".into(),
        from_ms: Some(1_777_633_230_000),
        until_ms: Some(1_777_633_260_000),
        formula: "all that the account has used (unknown) x 0.500000 CNY a kWh = unknown".into(),
        stated: Some(v1::StatedExposure {
            milliwatts: 900_000,
            nodes: 2,
            energy_mwh: 7_500,
            amount_micro: 3_750,
            basis: "at most 900 W declared by 2 nodes on the account x 30s = 0.007500 kWh, x 0.500000 CNY a kWh = 0.003750 CNY, rounded up; declared and not measured, and without what else is on the account".into(),
        }),
        ..v1::Exposure::default()
    };
    let reply = v1::FindingReply {
        finding: Some(finding),
        exposure: Some(exposure),
        holds_outputs: true,
        is_frozen: true,
        is_live: true,
        quarantined: Vec::new(),
    };
    v1::ListFindingsReply { findings: vec![reply], more: false }
}

fn quarantine() -> v1::ListQuarantinedReply {
    let one = v1::Quarantined {
        digest: vec![0xcd; 32],
        since_ms: 1_777_633_300_000,
        by: "op".into(),
        reason: "finding 3 was confirmed: it hashes".into(),
        finding: 3,
    };
    v1::ListQuarantinedReply { quarantined: vec![one] }
}

fn claimed() -> v1::ClaimedProgress {
    let count = Some(v1::Count { unit: "step".into(), value: 1200, total: 3000 });
    let progress = v1::Progress {
        claim: Some(v1::Claim { done_ppm: Some(420_000), count }),
        said_ms: 1_777_633_259_000,
        changed_ms: 1_777_633_257_000,
        first_ppm: Some(0),
        first_ms: 1_777_633_231_000,
        lines: 12,
        bad_lines: 1,
        mistake: "it is longer than 128 bytes".into(),
    };
    v1::ClaimedProgress { progress: Some(progress), rank: 0, expected_end_ms: 1_777_633_292_904 }
}

fn running() -> v1::RunningTask {
    v1::RunningTask {
        job: 12,
        index: 3,
        attempt: 2,
        rank: None,
        state: TaskState::Running.into(),
        name: "sweep".into(),
        project: "vision".into(),
        submitter: "mia".into(),
        node: "rig-07".into(),
        started_ms: 1_777_633_230_020,
        memory_bytes: Some(2_684_354_560),
        cpu_us: Some(61_250_000),
        cpu_milli: Some(1980),
        processes: 4,
        progress: Some(claimed()),
    }
}

fn job() -> v1::JobSummary {
    v1::JobSummary {
        id: 12,
        name: "sweep".into(),
        job_class: "ai-training".into(),
        project: "vision".into(),
        submitter: "mia".into(),
        state: JobState::Failed.into(),
        tasks: 32,
        succeeded: 31,
        failed: 1,
        priority: 10,
        submitted_ms: 1_777_633_200_000,
        started_ms: 1_777_633_201_500,
        ended_ms: 1_777_633_260_250,
        exit_code: 137,
        ..v1::JobSummary::default()
    }
}

fn waiting() -> v1::JobSummary {
    v1::JobSummary {
        id: 13,
        name: "argon".into(),
        job_class: "sci-simulation".into(),
        project: "default".into(),
        submitter: "mia".into(),
        state: JobState::Pending.into(),
        reason_code: "resources.busy".into(),
        reason:
            "2 nodes could hold a task, but none has more than 4 cpus free, and it asks for 16 cpus"
                .into(),
        tasks: 1,
        submitted_ms: 1_777_633_300_000,
        ..v1::JobSummary::default()
    }
}

fn spec() -> v1::JobSpec {
    v1::JobSpec {
        command: vec!["./train".into(), "--lr".into(), "0.1".into()],
        environment: vec![v1::Variable { name: "EPOCHS".into(), value: "10".into() }],
        working_folder: "/home/mia/sweep".into(),
        array: Some(v1::Array {
            ranges: vec![v1::IndexRange { first: 0, last: 31, step: 1 }],
            limit: 4,
        }),
        resources: Some(resources(2000, 4 << 30)),
        time_limit_ms: 7_200_000,
        retries: Some(v1::Retries { user: 2, system: None }),
        dependencies: vec![v1::Dependency {
            job: 7,
            kind: DependencyKind::Ok.into(),
            per_task: true,
        }],
        expected_ms: 3_600_000,
        deadline_ms: 1_777_719_600_000,
        gang: Some(v1::Gang { nodes: 2, ranks_per_node: 4, layout: v1::Layout::Spread.into() }),
        constraints: Some(v1::Constraints {
            labels: vec![v1::LabelRule {
                name: "gpu".into(),
                values: vec!["v100".into(), "p100".into()],
                negated: false,
            }],
            isa_level: "x86-64-v3".into(),
            exclusive: false,
        }),
        alternatives: vec![v1::Resources { cpu_milli: 16_000, ..v1::Resources::default() }],
        checkpoint_signal: 10,
        inputs: vec![
            v1::InputFile {
                digest: vec![0xab; 32],
                bytes: 4096,
                path: "data".into(),
                unpack: true,
                ..v1::InputFile::default()
            },
            v1::InputFile {
                url: "https://data.example.org/weights.bin".into(),
                path: "weights.bin".into(),
                ..v1::InputFile::default()
            },
        ],
        outputs: vec!["out/*.csv".into()],
        ..v1::JobSpec::default()
    }
}

fn resources(cpu_milli: u64, memory_bytes: u64) -> v1::Resources {
    let extras = vec![v1::Extra { name: "licence".into(), amount: 1 }];
    v1::Resources { cpu_milli, memory_bytes, disk_bytes: 0, extras }
}

fn attempt() -> v1::TaskSummary {
    v1::TaskSummary {
        job: 12,
        index: 3,
        state: TaskState::Failed.into(),
        attempt: 2,
        node: "rig-07".into(),
        placed_ms: 1_777_633_230_000,
        started_ms: 1_777_633_230_020,
        ended_ms: 1_777_633_260_250,
        outcome: Some(v1::Outcome {
            kind: OutcomeKind::Signalled.into(),
            signal: 9,
            ..v1::Outcome::default()
        }),
        usage: Some(v1::Usage {
            wall_us: 30_230_000,
            cpu_us: 58_100_000,
            peak_memory_bytes: 3 << 30,
            stdout_bytes: 1842,
            ..v1::Usage::default()
        }),
        ranks: Vec::new(),
        steps: Vec::new(),
        checkpoint: Some(v1::CheckpointSummary {
            stored: Some(v1::Stored { digest: vec![0xab; 32], bytes: 4096 }),
            problem: String::new(),
            needed: true,
        }),
        progress: Some(v1::ClaimedProgress { expected_end_ms: 0, ..claimed() }),
    }
}

/// Of a gang, whose second rank has been lost.
fn gang_attempt() -> v1::TaskSummary {
    let rank = |rank, node: &str, state: TaskState, outcome: OutcomeKind| v1::RankSummary {
        rank,
        node: node.into(),
        state: state.into(),
        started_ms: 1_777_633_230_020,
        ended_ms: if outcome == OutcomeKind::Unspecified { 0 } else { 1_777_633_260_250 },
        outcome: (outcome != OutcomeKind::Unspecified).then(|| v1::Outcome {
            kind: outcome.into(),
            detail: "the agent was restarted, and its tasks ended with it".into(),
            ..v1::Outcome::default()
        }),
        usage: None,
    };
    v1::TaskSummary {
        job: 14,
        index: 0,
        state: TaskState::Stopping.into(),
        attempt: 1,
        node: "rig-07".into(),
        placed_ms: 1_777_633_230_000,
        started_ms: 1_777_633_230_020,
        steps: vec![v1::StepSummary {
            rank: 0,
            step: v1::StopStep::Terminate.into(),
            cause: v1::StopCause::Cancelled.into(),
            signal: 15,
            taken_ms: 1_777_633_500_000,
        }],
        ranks: vec![
            rank(0, "rig-07", TaskState::Stopping, OutcomeKind::Unspecified),
            rank(1, "rig-08", TaskState::Failed, OutcomeKind::Lost),
        ],
        ..v1::TaskSummary::default()
    }
}

fn node() -> v1::NodeSummary {
    v1::NodeSummary {
        id: 1,
        name: "rig-07".into(),
        phase: NodePhase::Up.into(),
        drained: true,
        reason: "mia: fan noise".into(),
        capacity: Some(resources(16_000, 16 << 30)),
        used: Some(v1::Resources { extras: Vec::new(), ..resources(2000, 4 << 30) }),
        running: 1,
        inventory: Some(v1::Inventory {
            hostname: "rig-07".into(),
            kernel: "6.1.0".into(),
            cpu_model: "Intel(R) Xeon(R) CPU E5-2680 v4".into(),
            isa_level: "x86-64-v3".into(),
            sockets: 2,
            version: "0.1.0".into(),
            labels: vec![v1::Label { name: "rack".into(), value: "3".into() }],
            ..v1::Inventory::default()
        }),
        since_ms: 1_777_600_000_000,
        connected: true,
        ..v1::NodeSummary::default()
    }
}

fn low_disk() -> v1::Remark {
    v1::Remark {
        code: "scheduler.low-disk".into(),
        text: "the scheduler's disk has 12 MiB free, and keeps 256 MiB for its ledger".into(),
        hint: "free space on the scheduler's disk".into(),
    }
}

fn explanation() -> v1::Explanation {
    let step = |code: &str, condition: &str, nodes_left| v1::FunnelStep {
        code: code.into(),
        condition: condition.into(),
        nodes_left,
    };
    v1::Explanation {
        job: 13,
        state: JobState::Pending.into(),
        code: "resources.busy".into(),
        text: waiting().reason,
        hint: "wait, or ask for what is free: `repower nodes` shows it".into(),
        funnel: vec![
            step("node.up", "up", 5),
            step("resources.fit", "could hold a task when empty", 2),
        ],
        shortages: vec![v1::Shortage {
            dimension: "cpus".into(),
            asked: 16_000,
            free: 4000,
            most: 32_000,
            unit: "milli-cpus".into(),
        }],
        tasks_ahead: 3,
        jobs_ahead: 1,
        ahead: vec![v1::Ahead { job: 7, name: "train".into(), tasks: 3 }],
        forecast: Some(v1::Forecast {
            code: "estimate.in-order".into(),
            text: "after the 3 tasks that go first, if all take as long as they may".into(),
            at_ms: 1_777_633_200_000,
        }),
        sooner: vec![v1::Sooner {
            code: "sooner.less".into(),
            text: "ask for 4 cpus or less".into(),
        }],
        approved: String::new(),
        remarks: Vec::new(),
        progress: None,
        claimed_forecast: Some(v1::Forecast {
            code: "estimate.claimed".into(),
            text: "by what one running task claims".into(),
            at_ms: 1_777_633_140_000,
        }),
    }
}

fn plan() -> v1::PlanReply {
    v1::PlanReply {
        tasks: 10,
        tier: "encouraged".into(),
        starts: 4,
        nodes: vec!["rig-07".into(), "rig-08".into()],
        waits: None,
    }
}

fn kept() -> v1::OutputsReply {
    let artefact =
        v1::Artefact { path: "out/loss.csv".into(), bytes: 1842, digest: vec![0xcd; 32] };
    let kept = v1::KeptOutputs {
        index: 3,
        attempt: 2,
        rank: 0,
        artefacts: vec![artefact],
        missing: vec!["out/*.png".into()],
    };
    v1::OutputsReply { outputs: vec![kept], more: false }
}

fn fetched() -> Fetched {
    let mut fetched = Fetched::new(12, std::path::Path::new("job-12"));
    fetched.files.push(FetchedFile {
        task: 3,
        attempt: 2,
        rank: 0,
        path: "out/loss.csv".into(),
        file: "job-12/3/out/loss.csv".into(),
        bytes: 1842,
        sha256: hex(&[0xcd; 32]),
        fetched: true,
    });
    fetched.missing.push(MissingOutput { task: 3, rank: 0, what: "out/*.png".into() });
    fetched
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line a shape")]
fn the_page_about_json_has_every_shape_as_it_is_printed() {
    let submitted = v1::SubmitReply {
        job: 13,
        created: true,
        tasks: 1,
        hold_code: "policy.review".into(),
        hold: "class `hash-heavy` needs a review by a person".into(),
    };
    let shown = v1::ShowJobReply {
        summary: Some(job()),
        spec: Some(spec()),
        tier: "encouraged".into(),
        policy_hash: "dcb4fde0abd8ab4f".into(),
        failures: vec![attempt()],
        estimate: Some(v1::Estimate {
            span_ms: 2_400_000,
            source: "own-tasks".into(),
            error_percent: Some(12),
        }),
        content: "9b74c989".into(),
        marks: vec![v1::Mark {
            sign: "unread".into(),
            place: "input weights.7z".into(),
            detail: "is packed with 7z, which is not unpacked here".into(),
        }],
        remarks: vec![low_disk()],
        decisions: vec![v1::Decision {
            kind: v1::DecisionKind::Cancelled.into(),
            by: "mia".into(),
            reason: "wrong data".into(),
            at_ms: 1_777_633_230_000,
        }],
    };
    let chunk = v1::LogChunk {
        index: 3,
        attempt: 2,
        stream: Stream::Stdout.into(),
        offset: 0,
        data: b"epoch 1: accuracy 0.93\n".to_vec(),
        ..v1::LogChunk::default()
    };
    let of_rank = v1::LogChunk { rank: Some(1), ..chunk.clone() };
    let data = b"epoch 900: accuracy 0.97\n".to_vec();
    let after_gap =
        v1::LogChunk { offset: 104_857_600, missing: 37_748_736, data, ..chunk.clone() };
    let token = v1::TokenSummary {
        id: 4,
        kind: TokenKind::Join.into(),
        name: "rig-08".into(),
        issued_ms: 1_777_633_200_000,
        expires_ms: 1_777_719_600_000,
        ..v1::TokenSummary::default()
    };
    let person = v1::TokenSummary {
        id: 5,
        kind: TokenKind::Person.into(),
        name: "mia".into(),
        issued_ms: 1_777_633_200_000,
        role: v1::Role::Operator.into(),
        ..v1::TokenSummary::default()
    };
    let issued = v1::IssueReply {
        id: 4,
        secret: "rp_...".into(),
        authority_pem: "-----BEGIN CERTIFICATE-----\n...".into(),
        expires_ms: 1_777_719_600_000,
    };
    let approved = v1::ListApprovalsReply {
        approvals: vec![v1::Approval {
            id: 3,
            job_class: "hash-heavy".into(),
            project: "archive".into(),
            content: Vec::new(),
            until_ms: 1_777_676_400_000,
            by: "op".into(),
            reason: "deduplication, contract 7".into(),
            jobs: 2,
        }],
    };
    let reserved = v1::ListReservationsReply {
        reservations: vec![v1::Reservation {
            id: 3,
            nodes: vec!["rig-07".into(), "rig-08".into()],
            from_ms: 1_777_633_200_000,
            until_ms: 1_777_676_400_000,
            project: String::new(),
            by: "op".into(),
            reason: "new fans".into(),
        }],
    };
    let cancelled = Cancelled {
        job: 12,
        tasks: Some("0-9".into()),
        pending: 7,
        stopping: 3,
        out_of_touch: 0,
        given_up: 0,
    };
    let blocks = [
        ("submit", pretty(&Submitted::new(&submitted, Uuid::nil(), None))),
        ("jobs", pretty(&Jobs::from(&v1::ListJobsReply { jobs: vec![waiting()], more: true }))),
        ("show", pretty(&JobDetail::from(&shown).with_outputs(&kept()))),
        (
            "attempts",
            pretty(&TaskList::from(&v1::AttemptsReply {
                attempts: vec![attempt()],
                ..v1::AttemptsReply::default()
            })),
        ),
        (
            "ranks",
            pretty(&TaskList::from(&v1::AttemptsReply {
                attempts: vec![gang_attempt()],
                ..v1::AttemptsReply::default()
            })),
        ),
        (
            "logs",
            [&chunk, &of_rank, &after_gap]
                .map(|chunk| serde_json::to_string(&Log::new(12, chunk)).expect("JSON") + "\n")
                .concat(),
        ),
        ("fetch", pretty(&fetched())),
        (
            "top",
            pretty(&Top::new(
                &v1::ListNodesReply::default(),
                &v1::RunningReply { tasks: vec![running()], total: 214 },
            )),
        ),
        ("cancel", pretty(&serde_json::json!({ "cancelled": [cancelled], "refused": [] }))),
        ("why", pretty(&Why::from(&explanation()))),
        ("plan", pretty(&Plan::from(&plan()))),
        (
            "nodes",
            pretty(&Nodes::from(&v1::ListNodesReply {
                nodes: vec![node()],
                ..v1::ListNodesReply::default()
            })),
        ),
        ("approvals", pretty(&Approvals::from(&approved))),
        ("reservations", pretty(&Reservations::from(&reserved))),
        ("findings", pretty(&Findings::from(&findings()))),
        ("quarantine", pretty(&Quarantine::from(&quarantine()))),
        ("report compliance", pretty(&crate::report::testing::example())),
        ("token list", pretty(&Tokens::from(&v1::ListTokensReply { tokens: vec![token, person] }))),
        ("token join", pretty(&Issued::new(&issued, "https://10.0.0.1:7070"))),
    ];

    hold_page("json.md", "json", &blocks.map(|(name, text)| (name.to_owned(), text)));
}

#[test]
fn output_that_is_not_text_is_given_as_base64() {
    let chunk = v1::LogChunk {
        data: vec![0xff, 0x00],
        stream: Stream::Stderr.into(),
        ..v1::LogChunk::default()
    };

    let shown = serde_json::to_value(Log::new(12, &chunk)).expect("JSON");

    assert_eq!(shown["base64"], "/wA=");
    assert!(shown.get("text").is_none());
}
