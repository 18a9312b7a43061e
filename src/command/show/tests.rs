//! How a job looks.

use repower_proto::v1::{
    Array, Constraints, Decision, DecisionKind, Dependency, DependencyKind, Estimate, Gang,
    IndexRange, LabelRule, Layout, Outcome, OutcomeKind, RankSummary, Remark, Resources, Retries,
    TaskState, Usage, Variable,
};

use super::*;
use crate::render::screen::Form;
use crate::render::testing::{page, pages};

fn reply() -> ShowJobReply {
    let summary = JobSummary {
        id: 12,
        name: "sweep".into(),
        job_class: "ai-training".into(),
        project: "vision".into(),
        submitter: "mia".into(),
        state: JobState::Running.into(),
        tasks: 1000,
        running: 8,
        succeeded: 120,
        failed: 1,
        submitted_ms: 1_777_633_200_000,
        started_ms: 1_777_633_201_500,
        ..JobSummary::default()
    };
    let spec = JobSpec {
        command: vec!["./train".into(), "--name".into(), "two words".into()],
        environment: vec![Variable { name: "EPOCHS".into(), value: "10".into() }],
        array: Some(Array { ranges: vec![IndexRange { first: 0, last: 999, step: 1 }], limit: 8 }),
        resources: Some(Resources {
            cpu_milli: 500,
            memory_bytes: 4 << 30,
            ..Resources::default()
        }),
        time_limit_ms: 7_200_000,
        retries: Some(Retries { user: 2, system: Some(20) }),
        dependencies: vec![Dependency { job: 7, kind: DependencyKind::Ok.into(), per_task: false }],
        ..JobSpec::default()
    };
    let failure = TaskSummary {
        job: 12,
        index: 3,
        attempt: 3,
        state: TaskState::Failed.into(),
        node: "rig-07".into(),
        started_ms: 1_777_633_201_500,
        ended_ms: 1_777_633_231_500,
        outcome: Some(Outcome {
            kind: OutcomeKind::Signalled.into(),
            signal: 9,
            ..Outcome::default()
        }),
        usage: Some(Usage { cpu_us: 28_000_000, peak_memory_bytes: 3 << 30, ..Usage::default() }),
        ..TaskSummary::default()
    };
    ShowJobReply {
        summary: Some(summary),
        spec: Some(spec),
        tier: "encouraged".into(),
        policy_hash: "dcb4fde0abd8ab4f3a1aa9b50598b159".into(),
        failures: vec![failure],
        estimate: None,
        content: "1f6a".into(),
        marks: Vec::new(),
        remarks: Vec::new(),
        decisions: Vec::new(),
    }
}

#[test]
fn the_ranks_of_a_gang_are_shown_with_their_nodes_and_states() {
    let rank = |rank, node: &str, state: TaskState, code| RankSummary {
        rank,
        node: node.into(),
        state: state.into(),
        started_ms: 1_777_633_201_500,
        ended_ms: if code > 0 { 1_777_633_231_500 } else { 0 },
        outcome: (code > 0).then(|| Outcome {
            kind: OutcomeKind::Exited.into(),
            exit_code: code,
            ..Outcome::default()
        }),
        usage: None,
    };
    let task = TaskSummary {
        job: 14,
        attempt: 2,
        ranks: vec![
            rank(0, "rig-07", TaskState::Stopping, 0),
            rank(1, "rig-08", TaskState::Failed, 3),
        ],
        ..TaskSummary::default()
    };

    let shown =
        page(Form::Table, |screen| Ok(screen.table(&ranks_table(&task, 1_777_633_300_000))?));

    assert_eq!(
        shown,
        "\
RANK      STATE     NODE     TIME  CPU  MEMORY  OUTCOME
14.0#2/0  stopping  rig-07  1m38s    -       -
14.0#2/1  failed    rig-08    30s    -       -  exit 3
"
    );
}

#[test]
fn a_job_is_shown_on_one_screen() {
    let utc = TimeZone::UTC;

    let shown =
        page(Form::Table, |screen| detail(screen, &reply(), &[], (&utc, 1_777_633_300_000)));

    assert_eq!(
        shown,
        "\
job         12  sweep
state       running
class       ai-training (encouraged)
project     vision, submitted by mia
tasks       1000 [0-999, 8 at once]: 871 pending, 8 running, 120 succeeded, 1 failed
times       submitted 2026-05-01 11:00:00, started after 1.5s
command     ./train --name 'two words'
runs in     a fresh folder
runs as     the user of its agent, because its class may
each task   0.5 cpus, 4 GiB of memory
limits      2h00m each, priority 0, 2 retries (system 20)
after       ok:7
variables   EPOCHS
policy      dcb4fde0abd8ab4f

ATTEMPT  STATE   NODE    TIME  CPU  MEMORY  OUTCOME
12.3#3   failed  rig-07   30s  28s   3 GiB  signal 9 (SIGKILL)
"
    );
}

#[test]
fn all_that_a_job_asks_of_nodes_and_time_is_shown() {
    let mut reply = reply();
    let spec = reply.spec.as_mut().expect("it has one");
    spec.gang = Some(Gang { nodes: 4, ranks_per_node: 2, layout: Layout::Pack.into() });
    spec.constraints = Some(Constraints {
        labels: vec![LabelRule {
            name: "gpu".into(),
            values: vec!["v100".into(), "p100".into()],
            negated: false,
        }],
        isa_level: "x86-64-v3".into(),
        exclusive: true,
    });
    spec.alternatives = vec![Resources { cpu_milli: 16_000, ..Resources::default() }];
    spec.expected_ms = 3_600_000;
    spec.deadline_ms = 1_777_719_600_000;
    spec.checkpoint_signal = 10;
    spec.dependencies[0].per_task = true;
    reply.estimate =
        Some(Estimate { span_ms: 2_400_000, source: "own-tasks".into(), error_percent: Some(12) });

    let utc = TimeZone::UTC;
    let shown = page(Form::Table, |screen| detail(screen, &reply, &[], (&utc, 1_777_633_300_000)));

    let asked: Vec<&str> = shown.lines().skip(9).take(9).collect();
    assert_eq!(
        asked.join("\n"),
        "\
each task   0.5 cpus, 4 GiB of memory; or 16 cpus
limits      2h00m each, priority 0, 2 retries (system 20), saves its work on SIGUSR1
gang        4 nodes with 2 ranks each, pack
nodes       gpu=v100|p100, x86-64-v3 or more, nothing else there meanwhile
expected    1h00m each
deadline    2026-05-02 11:00:00, latest safe start 2026-05-02 10:00:00
estimate    40m00s each, by its own tasks so far, off by 12 % on average
after       ok:7:each
variables   EPOCHS"
    );
}

#[test]
fn a_huge_command_is_cut_on_a_screen_and_whole_elsewhere() {
    let mut reply = reply();
    if let Some(spec) = &mut reply.spec {
        spec.command.push("x".repeat(100_000));
    }
    let moment = (&TimeZone::UTC, 1_777_633_260_000);

    let (shown, told, result) = pages(Form::Table, |screen| detail(screen, &reply, &[], moment));

    assert!(result.is_ok());
    let command = shown.lines().find(|line| line.starts_with("command")).unwrap();
    assert_eq!((command.chars().count(), command.ends_with('…')), (4 * 80, true));
    assert!(told.contains("`-o json` and pipes get it whole"), "{told}");
}

#[test]
fn who_has_decided_about_a_job_what_a_task_waits_for_and_a_line_break_are_told() {
    let utc = TimeZone::UTC;
    let mut reply = reply();
    if let Some(spec) = &mut reply.spec {
        spec.command = vec!["sh".into(), "-c".into(), "make\ntest".into()];
        spec.project_user = true;
    }
    reply.decisions =
        [(DecisionKind::Approved, "ben", "read it"), (DecisionKind::Cancelled, "mia", "")]
            .map(|(kind, by, reason)| Decision {
                kind: kind.into(),
                by: by.into(),
                reason: reason.into(),
                at_ms: 1_777_633_200_000,
            })
            .into();
    reply.remarks = vec![Remark {
        code: "node.silent".into(),
        text: "nothing has been heard of its node rig-07 for 23s".into(),
        hint: "check the machine".into(),
    }];

    let shown = page(Form::Table, |screen| detail(screen, &reply, &[], (&utc, 1_777_633_300_000)));

    for line in [
        "approved    by ben, 2026-05-01 11:00:00: read it",
        "cancelled   by mia, 2026-05-01 11:00:00: no reason given",
        "command     sh -c 'make\\ntest'",
        "runs as     a user of project vision on each node, or its agent's where that is not root",
        "nothing has been heard of its node rig-07 for 23s [node.silent]; check the",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}
