//! How explanations look. What cannot be brought about on any machine is a transcript here: the others
//! are in `tests/why.rs`.

use std::path::Path;

use repower_core::engine::Engine;
use repower_core::input::{Input, Submit};
use repower_core::policy::{DEFAULT, hash_of};
use repower_model::{
    Constraints, Cpus, Hash, Instance, Inventory, IsaLevel, JobId, JobSpec, Key, NodeId, Resources,
    Timestamp, TokenKind,
};
use repower_proto::v1::{Ahead, FunnelStep, Sooner};

use super::*;
use crate::render::screen::Form;
use crate::render::testing::page;

#[test]
fn the_funnel_and_what_is_short_are_shown_with_numbers() {
    let step = |nodes_left, condition: &str| FunnelStep {
        nodes_left,
        condition: condition.into(),
        code: String::new(),
    };
    let why = Explanation {
        job: 12,
        code: "resources.busy".into(),
        text: "2 nodes could hold a task, but none has more than 4 cpus free".into(),
        hint: "wait, or ask for what is free".into(),
        funnel: vec![
            step(5, "enrolled"),
            step(4, "up"),
            step(2, "16 cpus when empty"),
            step(0, "16 cpus free"),
        ],
        shortages: vec![Shortage {
            dimension: "cpus".into(),
            unit: "milli-cpus".into(),
            asked: 16_000,
            free: 4000,
            most: 32_000,
        }],
        tasks_ahead: 3,
        jobs_ahead: 1,
        ahead: vec![Ahead { job: 7, name: "train".into(), tasks: 3 }],
        forecast: Some(Forecast {
            code: "estimate.in-order".into(),
            text: "after the 3 tasks that go first".into(),
            at_ms: 1_777_633_200_000,
        }),
        sooner: vec![Sooner { code: "sooner.less".into(), text: "ask for 4 cpus or less".into() }],
        ..Explanation::default()
    };
    let moment = (&TimeZone::UTC, 1_777_633_200_000 - 725_000);

    let shown = page(Form::Table, |screen| show(screen, "task 12.3", &why, moment));

    assert_eq!(
        shown,
        "\
task 12.3: 2 nodes could hold a task, but none has more than 4 cpus free
  [resources.busy]
estimated start: 2026-05-01 11:00:00 (in 12m05s), after the 3 tasks that go
  first
position in queue: 2, behind job 7 (train, 3 tasks)
sooner: ask for 4 cpus or less

NODES LEFT  CONDITION
         5  enrolled
         4  up
         2  16 cpus when empty
         0  16 cpus free

SHORT OF  ASKED  MOST FREE NOW  MOST ON ANY NODE
cpus         16              4                32
"
    );
}

/// What `why` says of a job that has just come to a cell with one old node.
fn asked(spec: JobSpec) -> String {
    let now = Timestamp::from_millis(1_777_633_200_000);
    let mut engine = Engine::new();
    let mut turn = |input: &Input| engine.turn(input, now).map(drop).expect("it is done");
    turn(&Input::Found { cell: "test.example".into(), version: "1".into() });
    turn(&Input::Adopt { text: DEFAULT.into(), by: "op".into(), replaces: None });
    let secret = hash_of(b"secret");
    let (kind, name, by) = (TokenKind::Join, String::new(), "op".to_owned());
    turn(&Input::Issue { kind, role: None, name, hash: secret, expires: None, by });
    turn(&Input::Enrol { secret, name: "old".into(), fingerprint: hash_of(b"certificate") });
    let capacity = Resources { cpus: Cpus::from_whole(2), ..Resources::default() };
    let isa_level = "x86-64-v2".to_owned();
    let inventory = Box::new(Inventory { capacity, isa_level, ..Inventory::default() });
    let (node, instance) = (NodeId(1), Instance([1; 16]));
    turn(&Input::Hello { node, instance, inventory, held: Vec::new(), saved: Vec::new() });
    let (class, command) = ("sci-simulation".into(), vec!["sleep".into(), "36000".into()]);
    let spec = JobSpec { class, command, ..spec };
    let (submitter, spec_hash) = ("mia".to_owned(), Hash([0; 32]));
    let submit = Submit {
        key: Key([1; 16]),
        submitter,
        spec,
        spec_hash,
        past: Vec::new(),
        marks: Vec::new(),
        looked_by: None,
    };
    turn(&Input::Submit(Box::new(submit)));
    let why = repower_core::plan::why(engine.state(), JobId(1), None, now).expect("it waits");
    let why = repower_scheduler::explained(why);
    page(Form::Table, |screen| show(screen, "job 1", &why, (&TimeZone::UTC, now.as_millis())))
}

#[track_caller]
fn is_told(name: &str, options: &str, said: &str) {
    let told = format!("$ repower submit {options}-- sleep 36000\n1\n$ repower why 1\n{said}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/why/{name}.txt"));
    if std::env::var_os("REPOWER_BLESS").is_some() {
        std::fs::write(&path, &told).expect("written");
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, told, "{}: REPOWER_BLESS=1 writes it anew", path.display());
    assert!(said.contains(&format!("[{name}]")) && said.lines().all(|line| line.len() <= 80));
}

#[test]
fn why_a_job_waits_that_asks_for_a_newer_processor() {
    let isa_level = Some(IsaLevel::V4);
    let constraints = Constraints { isa_level, ..Constraints::default() };
    let said = asked(JobSpec { constraints, ..JobSpec::default() });

    is_told("nodes.isa", "--isa x86-64-v4 ", &said);
}

#[test]
fn why_a_job_waits_that_has_just_come() {
    is_told("queue.next", "", &asked(JobSpec::default()));
}
