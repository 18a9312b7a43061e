//! How far jobs are kept apart: what is accepted of what is asked, and which nodes will do.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::input::Input;
use repower_core::plan::why;
use repower_core::refusal::Refusal;
use repower_model::{Egress, Instance, Inventory, Isolation, JobSpec, NodeId};
use world::{World, cpus, job};

const POLICY: &str = r#"
policy-version = "boxes"
[class.sci-simulation]
tier = "permitted"
[class.strangers]
tier = "permitted"
isolation = "boxed"
egress = "none"
[class.secret]
tier = "permitted"
isolation = "sealed"
"#;

fn world() -> World {
    let mut world = World::with_nodes(&[4, 4]);
    world.turn(&able(NodeId(2), &["isolation.boxed", "limit.pids", "namespace.network"])).unwrap();
    world.turn(&Input::Adopt { text: POLICY.into(), by: "op".into() }).unwrap();
    world
}

fn able(node: NodeId, abilities: &[&str]) -> Input {
    let abilities = abilities.iter().map(|name| (*name).to_owned()).collect();
    let inventory = Box::new(Inventory { capacity: cpus(4), abilities, ..Inventory::default() });
    Input::Hello {
        node,
        instance: Instance([9; 16]),
        inventory,
        held: Vec::new(),
        saved: Vec::new(),
    }
}

fn of(class: &str, isolation: Isolation, egress: Option<Egress>) -> JobSpec {
    JobSpec { class: class.into(), isolation, egress, ..job() }
}

#[test]
fn what_is_accepted_has_the_most_of_what_the_job_and_its_class_ask_for() {
    let mut world = world();
    let cases = [
        ("sci-simulation", Isolation::Bare, None, Isolation::Bare, Egress::Open),
        ("sci-simulation", Isolation::Boxed, None, Isolation::Boxed, Egress::Open),
        ("sci-simulation", Isolation::Sealed, None, Isolation::Sealed, Egress::None),
        ("strangers", Isolation::Bare, None, Isolation::Boxed, Egress::None),
        ("strangers", Isolation::Sealed, Some(Egress::None), Isolation::Sealed, Egress::None),
        ("secret", Isolation::Bare, None, Isolation::Sealed, Egress::None),
    ];
    for (class, asked, egress, isolation, given) in cases {
        let id = world.submit(of(class, asked, egress));

        let spec = &world.engine.state().job(id).unwrap().spec;
        assert_eq!((spec.isolation, spec.egress.as_ref()), (isolation, Some(&given)), "{class}");
    }
}

#[test]
fn an_open_network_in_a_sealed_box_is_refused_and_so_are_places_that_are_none() {
    let mut world = world();
    let only =
        |places: &[&str]| Some(Egress::Only(places.iter().map(|one| (*one).into()).collect()));
    let wrong = [
        of("secret", Isolation::Bare, Some(Egress::Open)),
        of("strangers", Isolation::Bare, Some(Egress::Open)),
        of("sci-simulation", Isolation::Sealed, Some(Egress::Open)),
        of("sci-simulation", Isolation::Bare, only(&["example.org"])),
        of("sci-simulation", Isolation::Bare, only(&["example.org:0"])),
        of("sci-simulation", Isolation::Bare, only(&[])),
        JobSpec { pids: Some(0), ..job() },
    ];
    for spec in wrong {
        let refused = world.try_submit(spec);

        assert!(
            matches!(refused, Err(Refusal::BadText { .. } | Refusal::OutOfBounds { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_job_starts_only_where_its_node_can_do_what_it_needs_and_why_names_what_lacks() {
    let mut world = world();
    let boxed = world.submit(of("strangers", Isolation::Bare, None));
    let limited = world.submit(JobSpec { pids: Some(7), ..job() });
    let sealed = world.submit(of("secret", Isolation::Bare, None));
    let only = Some(Egress::Only(vec!["example.org:443".into()]));
    let listed = world.submit(of("sci-simulation", Isolation::Bare, only));

    let placed: Vec<_> =
        world.schedule().into_iter().map(|(attempt, node)| (attempt.task.job, node)).collect();

    assert_eq!(placed, [(boxed, NodeId(2)), (limited, NodeId(2))]);
    for (job, ability) in [(sealed, "isolation.sealed"), (listed, "egress.allow-list")] {
        let found = why(world.engine.state(), job, None, world.now).unwrap();
        assert_eq!(found.reason.code(), "nodes.abilities");
        assert_eq!(
            found.reason.to_string(),
            format!("no node that takes work is able to do {ability}")
        );
        assert!(found.reason.hint().unwrap().contains("repower node NAME"));
    }
}

#[test]
fn abilities_that_a_node_gains_count_at_once() {
    let mut world = world();
    let sealed = world.submit(of("secret", Isolation::Bare, None));
    assert!(world.schedule().is_empty());

    world.turn(&able(NodeId(1), &["isolation.sealed", "namespace.network"])).unwrap();

    let placed = world.schedule();
    assert_eq!(
        placed.first().map(|(attempt, node)| (attempt.task.job, *node)),
        Some((sealed, NodeId(1)))
    );
}
