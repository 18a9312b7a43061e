//! Who starts when.

use repower_model::{
    AttemptId, Bytes, Cpus, JobId, Outcome, RankId, Resources, StopReason, TaskId,
};

use super::{World, attempt, spec, start};
use crate::{Action, Input, Limits, Status};

fn of_job(job: u64) -> RankId {
    AttemptId { task: TaskId { job: JobId(job), index: 0 }, number: 1 }.rank(0)
}

#[test]
fn attempts_start_in_the_order_of_their_orders_as_slots_become_free() {
    let mut world = World::new();

    for index in 0..4 {
        world.start(index);
    }

    assert_eq!(world.launched(), [attempt(0), attempt(1)]);
    world.tell(Input::Started { attempt: attempt(0) });
    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(world.launched(), [attempt(2)]);
}

#[test]
fn a_large_task_at_the_front_holds_up_smaller_ones_behind_it() {
    let mut world = World::new();
    world.define(2, repower_model::JobSpec { resources: cpus(2), ..spec() });

    world.run(0);
    world.tell(start(of_job(2)));
    world.start(1);
    assert_eq!(world.launched(), []);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.launched(), [of_job(2)]);
}

fn cpus(count: u64) -> Resources {
    Resources { cpus: Cpus::from_whole(count), ..Resources::default() }
}

#[test]
fn a_countable_thing_is_held_by_one_task_at_a_time() {
    let resources = Resources { extras: vec![("licence".into(), 1)], ..cpus(1) };
    let mut world = World::with(repower_model::JobSpec { resources, ..spec() });

    world.run(0);
    world.start(1);
    assert_eq!(world.launched(), []);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.launched(), [attempt(1)]);
}

#[test]
fn who_was_placed_by_an_alternative_holds_what_that_asks_for() {
    let resources = Resources { extras: vec![("licence".into(), 1)], ..cpus(1) };
    let alternatives = vec![cpus(2)];
    let mut world = World::with(repower_model::JobSpec { resources, alternatives, ..spec() });
    let by = |index, alternative| {
        let (attempt, rendezvous) = (attempt(index).attempt, None);
        Input::Start { attempt, alternative: Some(alternative), rendezvous, checkpoint: None }
    };

    world.tell(by(0, 1));
    let launched = world.actions();
    world.tell(Input::Started { attempt: attempt(0) });
    world.tell(by(1, 0));
    assert!(matches!(launched[..], [Action::Launch { alternative: Some(1), .. }]), "{launched:?}");
    assert_eq!(world.launched(), [], "no processor is left, though nobody has the licence");
    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(world.launched(), [attempt(1)]);
    world.tell(Input::Started { attempt: attempt(1) });
    world.exit(attempt(1), Status::Code(0), true);

    world.tell(by(2, 1));
    assert_eq!(world.launched(), [attempt(2)], "both have given back what they had");
}

#[test]
fn an_alternative_that_the_job_does_not_have_is_given_back() {
    let alternatives = vec![cpus(2)];
    let mut world = World::with(repower_model::JobSpec { alternatives, ..spec() });
    let plain = attempt(0).attempt;

    world.tell(Input::Start {
        attempt: plain,
        alternative: Some(2),
        rendezvous: None,
        checkpoint: None,
    });

    assert_eq!(world.launched(), []);
    let detail = "the scheduler has placed it by alternative 2, but job 1 has 1".to_owned();
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Lost { detail })]);
}

#[test]
fn a_task_that_could_never_fit_is_given_back_with_both_numbers() {
    let resources = Resources { memory: Bytes::from_gib(4), ..cpus(1) };
    let mut world = World::with(repower_model::JobSpec { resources, ..spec() });

    world.start(0);

    let outcomes = world.outcomes();
    let detail = "the task needs 4 GiB of memory, but this node has 0 B".to_owned();
    assert_eq!(outcomes, [(attempt(0), Outcome::Lost { detail })]);
}

#[test]
fn a_task_of_a_job_that_was_never_defined_is_given_back() {
    let mut world = World::new();

    world.tell(start(of_job(9)));

    assert!(
        matches!(&world.outcomes()[..], [(_, Outcome::Lost { detail })] if detail.contains("job 9"))
    );
    assert!(world.session.is_idle());
}

#[test]
fn an_order_to_start_what_is_known_is_ignored() {
    let mut world = World::new();

    world.run(0);
    world.start(0);
    world.exit(attempt(0), Status::Code(0), true);
    world.start(0);

    assert_eq!(world.launched(), []);
    assert_eq!(world.outcomes().len(), 1);
}

#[test]
fn a_process_that_could_not_start_frees_its_slot_and_says_why() {
    let mut world = World::new();
    world.start_all(0..3);
    world.actions();

    world.tell(Input::NotStarted { attempt: attempt(0), detail: "no such program".into() });

    assert_eq!(world.launched(), [attempt(2)]);
    let detail = "no such program".to_owned();
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::NotStarted { detail })]);
}

#[test]
fn recalled_attempts_leave_no_trace_in_the_queue() {
    let mut world = World::new();
    world.run(0);
    world.run(1);

    for round in 0..1000 {
        world.start(2 + round);
        world.stop(attempt(2 + round), StopReason::Recalled);
    }
    world.start(5000);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.launched(), [attempt(5000)]);
}

#[test]
fn no_task_starts_while_too_many_reports_wait() {
    let mut world = World::limited(spec(), Limits { reports: 2, ..Limits::default() });

    world.run(0);
    world.run(1);
    world.exit(attempt(0), Status::Code(0), true);
    world.exit(attempt(1), Status::Code(0), true);
    world.start(2);
    assert_eq!(world.launched(), []);
    world.sent();
    world.tell(Input::Acknowledged(1));

    assert_eq!(world.launched(), [attempt(2)]);
}

#[test]
fn a_forgotten_job_is_dropped_when_its_last_task_is_over() {
    let mut world = World::new();

    world.run(0);
    world.tell(Input::Forget(JobId(1)));
    assert_eq!(world.actions(), []);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.actions(), [Action::ForgetJob(JobId(1))]);
    world.start(1);
    assert_eq!(world.launched(), []);
}
