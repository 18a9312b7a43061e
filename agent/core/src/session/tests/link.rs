//! The link and its lease.

use repower_model::{JobId, Outcome};

use super::{World, attempt, kill, spec, terminate, terms};
use crate::{Action, Input, Session, Status};

#[test]
fn nothing_starts_before_the_first_welcome() {
    let mut world = World::new();
    world.session = Session::new(super::Resources::default(), crate::Limits::default());

    world.define(1, repower_model::JobSpec { resources: super::Resources::default(), ..spec() });
    world.start(0);
    assert_eq!(world.launched(), []);
    world.tell(Input::LinkUp(terms()));

    assert_eq!(world.launched(), [attempt(0)]);
}

#[test]
fn a_short_break_disturbs_nobody() {
    let mut world = World::new();
    world.run(0);
    world.run(1);
    world.start(2);

    world.tell(Input::LinkDown { contact: world.now.steady });
    world.exit(attempt(0), Status::Code(0), true);
    assert_eq!(world.launched(), [attempt(2)], "what is placed starts also without a link");
    world.pass(10_000);
    world.tell(Input::LinkUp(terms()));

    assert_eq!(world.actions(), []);
    assert_eq!(world.wake_at(), None);
    assert_eq!(world.session.held().count(), 3);
}

#[test]
fn after_three_quarters_of_its_lease_without_contact_the_agent_ends_its_tasks() {
    let mut world = World::new();
    world.run(0);
    world.run(1);
    world.start(2);
    world.sent();

    world.tell(Input::LinkDown { contact: world.now.steady });
    assert_eq!(world.wake(), 30_000);
    assert_eq!(world.actions(), [terminate(attempt(0)), terminate(attempt(1))]);
    assert_eq!(world.wake(), 5_000, "they are gone before the lease is");
    assert_eq!(world.actions(), [kill(attempt(0)), kill(attempt(1))]);
    world.exit(attempt(0), Status::Signal(9), true);
    world.exit(attempt(1), Status::Signal(9), true);
    world.start(3);
    assert_eq!(world.launched(), [], "nothing starts until the next welcome");
    world.tell(Input::LinkUp(terms()));

    let outcomes = world.outcomes();
    assert_eq!(outcomes[0], (attempt(2), Outcome::Recalled));
    assert!(outcomes[1..].iter().all(|(_, outcome)| matches!(outcome, Outcome::Lost { .. })));
    assert_eq!(outcomes.len(), 3);
}

#[test]
fn the_lease_counts_from_the_last_contact_and_not_from_when_the_break_was_noticed() {
    let mut world = World::new();
    world.run(0);
    let contact = world.now.steady;

    world.pass(12_000);
    world.tell(Input::LinkDown { contact });

    assert_eq!(world.wake(), 18_000);
}

#[test]
fn a_scheduler_that_is_silent_on_an_open_link_is_as_good_as_gone() {
    let mut world = World::new();
    world.run(0);
    let now = world.now;
    world.session.handle(Input::LinkUp(terms()), now, &mut world.actions);
    world.pass(12_000);
    world.tell(Input::Heard(world.now.steady));
    world.pass(2_000);

    assert_eq!(world.wake(), 28_000);
    assert_eq!(world.actions(), [terminate(attempt(0))]);
    assert!(world.session.has_lost_lease());
    world.tell(Input::Heard(world.now.steady));
    assert!(world.session.has_lost_lease(), "only a welcome gives it a new one");
    world.tell(Input::LinkUp(terms()));
    assert!(!world.session.has_lost_lease());
}

#[test]
fn what_ended_before_the_lease_was_over_keeps_its_outcome() {
    let mut world = World::new();
    world.run(0);

    world.tell(Input::LinkDown { contact: world.now.steady });
    world.exit(attempt(0), Status::Code(0), true);
    world.wake();
    world.tell(Input::LinkUp(terms()));

    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Exited { code: 0 })]);
}

#[test]
fn definitions_do_not_outlive_their_link_unless_they_are_in_use() {
    let mut world = World::new();
    world.define(2, spec());
    world.run(0);

    world.tell(Input::LinkDown { contact: world.now.steady });
    world.tell(Input::LinkUp(terms()));
    assert_eq!(world.actions(), [Action::ForgetJob(JobId(2))]);
    world.define(1, spec());
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.actions(), [], "it has been defined anew");
}
