//! From the start of a process to the end of its output.

use repower_model::{JobSpec, Outcome, Span, Usage};

use super::{World, attempt, kill, spec, terminate};
use crate::{Action, Input, Report, Status};

#[test]
fn an_end_says_how_and_with_what_use() {
    let mut world = World::new();
    let started = world.now.wall;

    world.run(0);
    world.pass(250);
    world.print(attempt(0), b"hello");
    world.exit(attempt(0), Status::Code(3), true);

    let (_, reports) = world.sent().unwrap();
    let end = Report::Ended {
        attempt: attempt(0),
        outcome: Outcome::Exited { code: 3 },
        usage: Usage {
            wall_us: 7,
            cpu_us: 5,
            peak_memory_bytes: 3,
            stdout_bytes: 5,
            read_bytes: 2,
            written_bytes: 1,
            ..Usage::default()
        },
        started: Some(started),
        ended: started + Span::from_millis(250),
    };
    assert_eq!(reports.last(), Some(&end));
}

#[test]
fn signals_and_want_of_memory_are_told_apart() {
    let mut world = World::new();

    world.run(0);
    world.run(1);
    world.exit(attempt(0), Status::Signal(11), true);
    world.exit(attempt(1), Status::OutOfMemory, true);

    let outcomes =
        [(attempt(0), Outcome::Signalled { signal: 11 }), (attempt(1), Outcome::OutOfMemory)];
    assert_eq!(world.outcomes(), outcomes);
}

#[test]
fn a_process_that_vanished_is_lost() {
    let mut world = World::new();

    world.run(0);
    world.exit(attempt(0), Status::Unknown, true);

    assert!(matches!(&world.outcomes()[..], [(_, Outcome::Lost { .. })]));
}

#[test]
fn the_end_waits_for_the_output_but_the_slot_does_not() {
    let mut world = World::new();
    world.start_all(0..3);
    world.actions();

    world.tell(Input::Started { attempt: attempt(0) });
    world.exit(attempt(0), Status::Code(0), false);
    assert_eq!(world.launched(), [attempt(2)]);
    assert_eq!(world.outcomes(), []);
    world.print(attempt(0), b"last words");
    world.tell(Input::Drained { attempt: attempt(0) });

    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Exited { code: 0 })]);
}

#[test]
fn output_that_somebody_else_keeps_open_is_closed_after_a_second() {
    let mut world = World::new();

    world.run(0);
    world.exit(attempt(0), Status::Code(0), false);
    assert_eq!(world.wake(), 1000);

    assert_eq!(world.actions(), [Action::CloseOutput { attempt: attempt(0) }]);
    assert_eq!(world.outcomes(), [(attempt(0), Outcome::Exited { code: 0 })]);
    assert_eq!(world.wake_at(), None);
}

#[test]
fn a_time_limit_ends_in_sigterm_then_sigkill_after_the_grace() {
    let limit = Some(Span::from_secs(60));
    let mut world = World::with(JobSpec { time_limit: limit, grace: Span::from_secs(3), ..spec() });

    world.run(0);
    assert_eq!(world.wake(), 60_000);
    assert_eq!(world.actions(), [terminate(attempt(0))]);
    assert_eq!(world.wake(), 3_000);
    assert_eq!(world.actions(), [kill(attempt(0))]);
    world.exit(attempt(0), Status::Signal(9), true);

    assert_eq!(world.outcomes(), [(attempt(0), Outcome::TimedOut)]);
    assert_eq!(world.wake_at(), None);
}

#[test]
fn the_time_limit_counts_from_the_start_of_the_process() {
    let mut world = World::with(JobSpec { time_limit: Some(Span::from_secs(60)), ..spec() });

    world.start(0);
    world.pass(50_000);
    world.tell(Input::Started { attempt: attempt(0) });

    assert_eq!(world.wake(), 60_000);
}

#[test]
fn a_task_that_ends_in_time_leaves_no_timer() {
    let mut world = World::with(JobSpec { time_limit: Some(Span::from_secs(60)), ..spec() });

    world.run(0);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.wake_at(), None);
}
