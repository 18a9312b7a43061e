//! A session outlives the agents that hold it.

use repower_model::{
    AttemptId, Cpus, Hash, InputFile, JobId, JobSpec, Outcome, Resources, Source, Span, TaskId,
};

use super::{World, attempt, spec, terminate};
use crate::{Action, Input, Limits, Session, Status};

fn attach(world: &mut World, cpus: u64) {
    let capacity = Resources { cpus: Cpus::from_whole(cpus), ..Resources::default() };
    world.tell(Input::Attached { capacity, limits: Limits::default() });
}

#[test]
fn a_larger_capacity_starts_who_waits() {
    let mut world = World::new();
    world.start_all(0..4);
    assert_eq!(world.launched(), [attempt(0), attempt(1)]);

    attach(&mut world, 3);

    assert_eq!(world.launched(), [attempt(2)]);
}

#[test]
fn a_smaller_capacity_disturbs_nobody_who_runs_and_starts_others_when_there_is_room() {
    let mut world = World::new();
    world.run(0);
    world.run(1);
    world.start(2);

    attach(&mut world, 1);
    assert_eq!(world.actions(), []);
    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(world.launched(), [], "one still runs, and one is all there is");
    world.exit(attempt(1), Status::Code(0), true);

    assert_eq!(world.launched(), [attempt(2)]);
}

#[test]
fn what_waits_and_can_no_longer_fit_is_given_back_and_holds_nobody_up() {
    let large = Resources { cpus: Cpus::from_whole(2), ..Resources::default() };
    let mut world = World::new();
    world.run(0);
    world.define(2, JobSpec { resources: large, ..spec() });
    let wide = repower_model::RankId {
        attempt: repower_model::AttemptId {
            task: repower_model::TaskId { job: repower_model::JobId(2), index: 0 },
            number: 1,
        },
        rank: 0,
    };
    world.tell(super::start(wide));
    world.start(1);
    assert_eq!(world.launched(), []);

    attach(&mut world, 1);
    assert_eq!(world.outcomes(), [(wide, Outcome::Recalled)]);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.launched(), [attempt(1)]);
}

#[test]
fn what_waits_for_its_inputs_and_can_no_longer_fit_is_given_back_and_holds_nobody_up() {
    let resources = Resources { cpus: Cpus::from_whole(2), ..Resources::default() };
    let source = Source::Stored { digest: Hash([7; 32]), bytes: 7 };
    let input = InputFile { source, path: "data".into(), unpack: false, executable: false };
    let mut world = World::with(JobSpec { resources, inputs: vec![input], ..spec() });
    world.define(2, spec());
    world.start(0);
    assert!(matches!(&world.actions()[..], [Action::Stage(_)]));

    attach(&mut world, 1);
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Recalled)]);
    // The inputs come all the same.
    world.tell(Input::Staged(JobId(1)));
    let task = TaskId { job: JobId(2), index: 0 };
    let other = AttemptId { task, number: 1 }.rank(0);
    world.tell(super::start(other));

    assert_eq!(world.launched(), [other]);
}

#[test]
fn an_agent_that_attaches_stays_whatever_the_one_before_it_was_told() {
    let mut world = World::with(JobSpec { grace: Span::from_secs(600), ..spec() });
    world.run(0);
    world.tell(Input::Leave);
    assert_eq!(world.actions(), [terminate(attempt(0))]);

    attach(&mut world, 2);
    world.start(1);

    assert_eq!(world.launched(), [attempt(1)]);
    world.exit(attempt(0), Status::Signal(15), true);
    assert!(matches!(&world.outcomes()[..], [(_, Outcome::Lost { .. })]));
}

#[test]
fn a_successor_counts_its_reports_on() {
    let mut world = World::new();
    world.run(0);
    world.exit(attempt(0), Status::Code(0), true);
    let (first, reports) = world.sent().unwrap();
    world.tell(Input::Acknowledged(first));
    assert_eq!(reports.len(), 1);

    let next = world.session.next_sequence();
    world.session = Session::new(Resources::default(), Limits::default());
    world.session.succeed(next);
    attach(&mut world, 2);
    world.tell(Input::LinkUp(super::terms()));
    world.define(1, spec());
    world.run(1);

    assert_eq!(world.sent().unwrap().0, 2);
}
