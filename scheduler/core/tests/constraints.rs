//! Which nodes will do: labels and instruction sets.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::input::Input;
use repower_core::plan::why;
use repower_core::refusal::Refusal;
use repower_model::{
    Constraints, Gang, Instance, Inventory, IsaLevel, JobId, JobSpec, LabelRule, Layout, NodeId,
};
use world::{World, array, cpus, job};

fn hello(node: NodeId, labels: &[(&str, &str)], isa_level: &str) -> Input {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    let (capacity, isa_level) = (cpus(4), isa_level.into());
    let inventory = Box::new(Inventory { capacity, labels, isa_level, ..Inventory::default() });
    Input::Hello {
        node,
        instance: Instance([9; 16]),
        inventory,
        held: Vec::new(),
        saved: Vec::new(),
    }
}

/// A plain node, one with a v100, one with a p100 and newer instructions.
fn world() -> World {
    let mut world = World::with_nodes(&[4, 4, 4]);
    world.turn(&hello(NodeId(2), &[("gpu", "v100")], "x86-64-v2")).unwrap();
    world.turn(&hello(NodeId(3), &[("gpu", "p100")], "x86-64-v3")).unwrap();
    world
}

fn wants(rules: &[&str], isa_level: Option<IsaLevel>) -> JobSpec {
    let labels: Vec<LabelRule> = rules.iter().map(|rule| rule.parse().unwrap()).collect();
    JobSpec { constraints: Constraints { labels, isa_level, exclusive: false }, ..job() }
}

fn explained(world: &World, job: JobId) -> (&'static str, String, Vec<(&'static str, usize)>) {
    let found = why(world.engine.state(), job, None, world.now).unwrap();
    let funnel = found.funnel.iter().map(|step| (step.code, step.nodes_left)).collect();
    (found.reason.code(), found.reason.to_string(), funnel)
}

#[test]
fn tasks_go_only_to_nodes_that_meet_every_condition() {
    let mut world = world();
    let old = world.submit(wants(&["gpu=v100|p100", "!gpu=p100"], None));
    let new = world.submit(wants(&["gpu"], Some(IsaLevel::V3)));
    let plain = world.submit(wants(&["!gpu"], None));

    let placed: Vec<_> =
        world.schedule().into_iter().map(|(attempt, node)| (attempt.task.job, node)).collect();

    assert_eq!(placed, [(old, NodeId(2)), (new, NodeId(3)), (plain, NodeId(1))]);
}

#[test]
fn a_job_that_no_node_suits_holds_up_none_behind_it() {
    let mut world = world();
    let stuck = world.submit(wants(&["fpga"], None));
    let free = world.submit(job());

    let placed = world.schedule();

    assert_eq!(placed.iter().map(|(attempt, _)| attempt.task.job).collect::<Vec<_>>(), [free]);
    let (code, text, funnel) = explained(&world, stuck);
    assert_eq!((code, text.as_str()), ("nodes.label", "no node that takes work is labelled fpga"));
    assert_eq!(funnel.last(), Some(&("nodes.label", 0)));
}

#[test]
fn the_funnel_counts_who_is_left_after_each_condition_in_order() {
    let mut world = world();
    let id = world.submit(wants(&["gpu"], Some(IsaLevel::V4)));

    let (code, text, funnel) = explained(&world, id);

    assert_eq!(code, "nodes.isa");
    assert_eq!(text, "no node that takes work is of instruction set x86-64-v4 or more");
    assert_eq!(funnel[funnel.len() - 2..], [("nodes.label", 2), ("nodes.isa", 0)]);
}

#[test]
fn new_labels_of_a_node_count_at_once() {
    let mut world = world();
    let id = world.submit(wants(&["rack=3"], None));
    assert!(world.schedule().is_empty());

    world.turn(&hello(NodeId(1), &[("rack", "3")], "x86-64-v1")).unwrap();

    let placed = world.schedule();
    assert_eq!(
        placed.first().map(|(attempt, node)| (attempt.task.job, *node)),
        Some((id, NodeId(1)))
    );
}

#[test]
fn a_task_keeps_away_from_a_node_only_if_another_suits_it() {
    let mut world = world();
    let id =
        world.submit(JobSpec { constraints: wants(&["gpu=v100"], None).constraints, ..array(1) });
    let (attempt, _) = world.schedule()[0];
    let detail = "no such file".to_owned();

    world.end(attempt, repower_model::Outcome::NotStarted { detail });

    assert!(world.schedule().is_empty(), "no other node suits it, so it is not tried elsewhere");
    assert_eq!(world.outcome_of(id).map(|(state, _)| state.as_str()), Some("failed"));
}

#[test]
fn a_node_with_labels_that_cannot_be_is_not_let_in() {
    let mut world = world();

    let blank = world.turn(&hello(NodeId(1), &[("a b", "c")], ""));
    let names: Vec<String> = (0..65).map(|at| format!("l{at:02}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let many = world.turn(&hello(NodeId(1), &many, ""));

    assert!(matches!(blank, Err(Refusal::BadText { .. })), "{blank:?}");
    assert!(matches!(many, Err(Refusal::BadText { .. })), "{many:?}");
}

#[test]
fn a_gang_is_refused_with_the_largest_that_the_nodes_of_its_rules_could_hold() {
    let mut world = world();
    let gang = |nodes, layout| JobSpec {
        gang: Some(Gang { nodes, ranks_per_node: 4, layout }),
        ..wants(&["gpu"], None)
    };

    let spread = world.try_submit(gang(3, Layout::Spread));
    let packed = world.try_submit(gang(3, Layout::Pack));
    let fits = world.try_submit(gang(2, Layout::Spread));

    assert_eq!(spread.err(), Some(Refusal::GangTooWide { asked: 3, most: 2, ranks: 4 }));
    assert_eq!(packed.err(), Some(Refusal::GangTooLarge { asked: 12, most: 8 }));
    assert!(fits.is_ok());
}
