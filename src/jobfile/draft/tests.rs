//! How drafts become specifications.

use clap::Parser;

use super::*;

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(flatten)]
    draft: Draft,
}

fn draft(line: &str) -> Draft {
    Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}")).draft
}

fn here() -> Here<'static> {
    Here {
        now: &|| "2026-05-01T18:00:00+08:00[+08:00]".parse().expect("a good moment"),
        folder: "/home/mia/sweep".into(),
        variable: &|name| (name == "USER").then(|| "mia".into()),
    }
}

fn command(words: &[&str]) -> Program {
    Program::Command(words.iter().map(|word| (*word).to_owned()).collect())
}

#[test]
fn a_bare_command_asks_for_one_cpu_in_the_current_folder() {
    let spec = Draft::default()
        .into_spec(command(&["./bin/train", "--lr", "0.1"]), Vec::new(), &here())
        .expect("a spec");

    assert_eq!(spec.name, "train");
    assert_eq!(spec.working_folder, "/home/mia/sweep");
    assert_eq!(spec.command, ["./bin/train", "--lr", "0.1"]);
    let resources = spec.resources.expect("always there");
    assert_eq!((resources.cpu_milli, resources.memory_bytes, resources.disk_bytes), (1000, 0, 0));
    assert_eq!(spec.retries, Some(v1::Retries { user: 0, system: None }));
    assert_eq!(spec.array, None);
}

#[test]
fn every_option_reaches_the_specification() {
    let all = draft(
        "--name n --class ai-training --project p --array 0-9%2 --priority -5 --start-after +1h \
         --after 12,not-ok:13 --after-any 14 --after-not-ok 15 --cpus 0.5 --memory 4G --disk 1G \
         --extra licence=2 --env K=V --env USER --workdir fresh --time-limit 2h --grace 30s \
         --retries 3 --system-retries 0 --deadline +5h --expect 90m --nodes 4 --ranks-per-node 2 \
         --layout pack --label gpu=v100|p100 --label !slow --isa x86-64-v3 --exclusive \
         --or cpus=16,memory=8G --checkpoint-signal USR1 --after 16:each",
    );

    let spec = all.into_spec(command(&["true"]), Vec::new(), &here()).expect("a spec");

    assert_eq!(
        (spec.name.as_str(), spec.job_class.as_str(), spec.project.as_str()),
        ("n", "ai-training", "p")
    );
    assert_eq!(spec.array.expect("asked").limit, 2);
    assert_eq!((spec.priority, spec.time_limit_ms, spec.grace_ms), (-5, 7_200_000, 30_000));
    assert_eq!(spec.start_after_ms, 1_777_633_200_000);
    assert_eq!(spec.working_folder, "");
    assert_eq!(spec.retries, Some(v1::Retries { user: 3, system: Some(0) }));
    let dependencies: Vec<_> =
        spec.dependencies.iter().map(|one| (one.job, one.kind(), one.per_task)).collect();
    assert_eq!(
        dependencies,
        [
            (12, DependencyKind::Ok, false),
            (13, DependencyKind::NotOk, false),
            (14, DependencyKind::Any, false),
            (15, DependencyKind::NotOk, false),
            (16, DependencyKind::Ok, true)
        ]
    );
    assert_eq!((spec.expected_ms, spec.deadline_ms), (5_400_000, 1_777_647_600_000));
    let gang = spec.gang.expect("asked");
    assert_eq!((gang.nodes, gang.ranks_per_node, gang.layout()), (4, 2, v1::Layout::Pack));
    let constraints = spec.constraints.expect("asked");
    assert_eq!((constraints.isa_level.as_str(), constraints.exclusive), ("x86-64-v3", true));
    assert_eq!(constraints.labels[0].values, ["v100", "p100"]);
    assert_eq!(
        (constraints.labels[1].name.as_str(), constraints.labels[1].negated),
        ("slow", true)
    );
    assert_eq!(spec.alternatives.len(), 1);
    assert_eq!(spec.alternatives[0].memory_bytes, 8 << 30);
    assert_eq!(spec.checkpoint_signal, 10);
    let environment: Vec<_> =
        spec.environment.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect();
    assert_eq!(environment, [("K", "V"), ("USER", "mia")]);
    let resources = spec.resources.expect("always there");
    assert_eq!(
        (resources.cpu_milli, resources.memory_bytes, resources.disk_bytes),
        (500, 4 << 30, 1 << 30)
    );
    assert_eq!(resources.extras, [v1::Extra { name: "licence".into(), amount: 2 }]);
}

#[test]
fn the_upper_draft_wins_and_lists_are_joined() {
    let lower = draft("--name low --cpus 1 --env A=1 --env B=1 --after 1 --extra x=1");
    let upper = draft("--name high --env B=2 --after 2 --extra x=3");

    let spec =
        upper.over(lower).into_spec(command(&["true"]), Vec::new(), &here()).expect("a spec");

    assert_eq!(spec.name, "high");
    let environment: Vec<_> =
        spec.environment.iter().map(|one| (one.name.as_str(), one.value.as_str())).collect();
    assert_eq!(environment, [("A", "1"), ("B", "2")]);
    assert_eq!(spec.dependencies.len(), 2);
    assert_eq!(
        spec.resources.expect("always there").extras,
        [v1::Extra { name: "x".into(), amount: 3 }]
    );
}

#[test]
fn ranks_alone_make_a_gang_on_one_node_and_a_layout_alone_makes_none() {
    let ranks = draft("--ranks-per-node 3")
        .into_spec(command(&["true"]), Vec::new(), &here())
        .expect("a spec");
    let layout = draft("--layout pack").into_spec(command(&["true"]), Vec::new(), &here());

    let gang = ranks.gang.expect("asked");
    assert_eq!((gang.nodes, gang.ranks_per_node, gang.layout()), (1, 3, v1::Layout::Spread));
    assert_eq!(layout, Err(DraftError::Layout));
}

#[test]
fn the_upper_draft_can_take_exclusive_back() {
    let lower = draft("--exclusive --label a --or cpus=1");
    let upper = draft("--exclusive=false --label b --or cpus=2");

    let spec =
        upper.over(lower).into_spec(command(&["true"]), Vec::new(), &here()).expect("a spec");

    let constraints = spec.constraints.expect("labels");
    assert_eq!((constraints.labels.len(), constraints.exclusive), (2, false));
    assert_eq!(spec.alternatives.len(), 2);
}

#[test]
fn a_relative_folder_is_below_the_current_one() {
    let spec = draft("--workdir ./run")
        .into_spec(command(&["true"]), Vec::new(), &here())
        .expect("a spec");

    assert_eq!(spec.working_folder, "/home/mia/sweep/run");
}

#[test]
fn a_variable_that_is_not_set_here_is_refused() {
    let error = draft("--env NONE")
        .into_spec(command(&["true"]), Vec::new(), &here())
        .expect_err("not set");

    assert_eq!(error.to_string(), "the variable NONE is not set here");
}
