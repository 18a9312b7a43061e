//! What a submission may ask for, and what it is refused for.
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod world;

use repower_core::refusal::Refusal;
use repower_model::{AttemptId, Constraints, Gang, JobSpec, LabelRule, Layout, Span};
use world::{World, cpus, job};

fn refused(spec: JobSpec) -> Option<String> {
    let mut world = World::with_nodes(&[2, 8]);
    world.try_submit(spec).err().map(|refusal| {
        assert!(refusal.hint().is_some(), "{refusal} has a hint");
        refusal.to_string()
    })
}

#[test]
fn an_expected_duration_is_at_most_the_time_limit() {
    let spec = |expected, limit| JobSpec {
        expected: Some(Span::from_secs(expected)),
        time_limit: Some(Span::from_secs(limit)),
        ..job()
    };

    assert_eq!(refused(spec(60, 60)), None);
    assert_eq!(
        refused(spec(7200, 60)).as_deref(),
        Some("the expected duration is 2h 0m, but must be at most the time limit, 1m 0s")
    );
}

#[test]
fn a_deadline_that_cannot_be_kept_is_refused_with_both_figures() {
    let world = World::with_nodes(&[2]);
    let (start, hour) = (world.now, Span::from_secs(3600));
    let spec = |deadline| JobSpec { expected: Some(hour), deadline: Some(deadline), ..job() };

    assert_eq!(refused(spec(start + Span::from_secs(3601))), None);
    assert_eq!(
        refused(spec(start + Span::from_secs(1800))).as_deref(),
        Some(
            "the deadline is 30m 0s after the earliest start, but an attempt is expected to take 1h 0m"
        )
    );
    assert_eq!(
        refused(spec(start.before(Span::from_secs(60)))).as_deref(),
        Some("the deadline passed 1m 0s ago")
    );
    let later = JobSpec { start_after: Some(start + hour), ..spec(start + hour + hour) };
    assert!(refused(later).is_some(), "it leaves no time after its start");
}

#[test]
fn a_gang_has_ranks_but_not_too_many() {
    let spec = |nodes, ranks_per_node| JobSpec {
        gang: Some(Gang { nodes, ranks_per_node, layout: Layout::Spread }),
        ..job()
    };

    assert_eq!(
        refused(spec(0, 1)).as_deref(),
        Some("the number of nodes is 0, but must be at least 1")
    );
    assert_eq!(
        refused(spec(1, 0)).as_deref(),
        Some("the number of ranks on each node is 0, but must be at least 1")
    );
    assert_eq!(
        refused(spec(u32::MAX, 9)).as_deref(),
        Some("the number of ranks is 4294967295, but must be at most 65536")
    );
}

#[test]
fn every_alternative_fits_somewhere_just_as_the_first_choice() {
    let spec = |alternatives| JobSpec { alternatives, ..job() };

    assert_eq!(refused(spec(vec![cpus(8)])), None);
    assert_eq!(
        refused(spec(vec![cpus(8), cpus(16)])).as_deref(),
        Some("a task asks for 16 cpus, but the largest node, n2, has 8")
    );
    assert_eq!(
        refused(spec(vec![cpus(0)])).as_deref(),
        Some("the number of cpus is 0, but must be more than 0 and at most 1000000")
    );
    assert_eq!(
        refused(spec(vec![cpus(1); 9])).as_deref(),
        Some("the number of alternatives is 9, but must be at most 8")
    );
}

#[test]
fn label_rules_are_rules_and_few() {
    let rule =
        |name: &str, values: Vec<String>| LabelRule { name: name.into(), values, negated: false };
    let spec =
        |labels| JobSpec { constraints: Constraints { labels, ..Constraints::default() }, ..job() };

    assert!(refused(spec(vec![rule("a b", vec![])])).is_some_and(|text| text.contains("`a b`")));
    assert!(refused(spec(vec![rule("a", vec![String::new()])])).is_some());
    assert_eq!(
        refused(spec(vec![rule("a", vec!["v".into(); 65])])).as_deref(),
        Some("the number of values in a label rule is 65, but must be at most 64")
    );
    assert_eq!(
        refused(spec(vec![rule("a", vec![]); 65])).as_deref(),
        Some("the number of label rules is 65, but must be at most 64")
    );
}

#[test]
fn a_checkpoint_signal_is_one_that_a_program_can_catch() {
    let spec = |signal| JobSpec { checkpoint_signal: Some(signal), ..job() };

    assert_eq!(refused(spec(10)), None);
    for signal in [-1, 0, 9, 19, 65] {
        assert!(refused(spec(signal)).is_some(), "{signal}");
    }
    let code = World::with_nodes(&[2]).try_submit(spec(9)).err().map(|refusal| refusal.code());
    assert_eq!(
        code,
        Some(
            Refusal::OutOfBounds { what: "", asked: String::new(), allowed: String::new() }.code()
        )
    );
}

#[test]
fn by_which_of_its_amounts_an_attempt_was_placed_is_known_while_it_lives() {
    let mut world = World::with_nodes(&[3]);
    let first = JobSpec { resources: cpus(2), ..job() };
    let either = JobSpec { resources: cpus(2), alternatives: vec![cpus(3), cpus(1)], ..job() };

    let (first, either) = (world.submit(first), world.submit(either));
    let placed = world.schedule();

    let state = world.engine.state();
    let of = |job| placed.iter().find(|(one, _)| one.task.job == job).map(|(one, _)| *one).unwrap();
    assert_eq!(state.alternative(of(first)), Some(0));
    assert_eq!(state.alternative(of(either)), Some(2));
    let later = AttemptId { number: 2, ..of(either) };
    assert_eq!(state.alternative(later), None, "it is not the one that lives");
}
