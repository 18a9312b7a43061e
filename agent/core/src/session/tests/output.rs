//! What tasks print.

use repower_model::{Span, StopReason};

use super::{World, attempt, spec, terms};
use crate::{Action, Input, Limits, Report, Status, Stream};

/// Takes the pieces of standard output that go out, as (offset, missing, bytes), and says that they are durable.
fn pieces(world: &mut World) -> Vec<(u64, u64, usize)> {
    let mut pieces = Vec::new();
    while let Some((first, reports)) = world.sent() {
        for report in &reports {
            if let Report::Output { stream: Stream::Stdout, offset, missing, data, .. } = report {
                pieces.push((*offset, *missing, data.len()));
            }
        }
        world.tell(Input::Acknowledged(first + reports.len() as u64 - 1));
    }
    pieces
}

#[test]
fn of_a_stream_past_its_bound_the_beginning_and_the_end_are_kept_and_all_is_counted() {
    let mut world = World::new();

    world.run(0);
    world.print(attempt(0), &[b'x'; 700]);
    world.print(attempt(0), &[b'y'; 700]);
    world.tell(Input::Output { attempt: attempt(0), stream: Stream::Stderr, data: b"short" });
    world.exit(attempt(0), Status::Code(0), true);

    let (_, reports) = world.sent().unwrap();
    let kept = |wanted| {
        reports.iter().filter_map(move |report| match report {
            Report::Output { stream, offset, missing, data, .. } if *stream == wanted => {
                Some((*offset, *missing, data.len()))
            }
            Report::Output { .. }
            | Report::Started { .. }
            | Report::Ended { .. }
            | Report::Kept { .. }
            | Report::Saved { .. }
            | Report::Noticed(_)
            | Report::Claimed { .. }
            | Report::Stopping { .. } => None,
        })
    };
    let stdout: Vec<_> = kept(Stream::Stdout).collect();
    assert_eq!(stdout[0], (0, 0, 500));
    assert_eq!(stdout[1].0 - stdout[1].1, 500, "what is missing lies in between");
    assert_eq!(stdout.iter().map(|piece| piece.2).sum::<usize>(), 1000);
    let last = stdout[stdout.len() - 1];
    assert_eq!(last.0 + last.2 as u64, 1400);
    assert_eq!(kept(Stream::Stderr).collect::<Vec<_>>(), [(0, 0, 5)]);
    let Some(Report::Ended { usage, .. }) = reports.last() else { panic!("no end") };
    assert_eq!((usage.stdout_bytes, usage.stderr_bytes, usage.truncated), (1400, 5, true));
}

#[test]
fn what_is_printed_slowly_past_the_beginning_goes_out_at_a_pace_and_nothing_is_missing() {
    let mut world = World::new();
    world.run(0);
    // Of nothing but the lease.
    let lease = world.session.wake_at();
    world.print(attempt(0), &[b'x'; 500]);
    assert_eq!(pieces(&mut world), [(0, 0, 500)]);

    world.print(attempt(0), b"after a");
    world.print(attempt(0), b" while");
    assert_eq!(pieces(&mut world), []);
    assert_eq!(world.wake(), 250);

    assert_eq!(pieces(&mut world), [(500, 0, 13)]);
    assert_eq!(world.session.wake_at(), lease);
}

#[test]
fn a_flood_past_the_beginning_takes_no_more_of_the_link_than_its_window() {
    let mut world = World::new();
    world.run(0);
    for _ in 0..1000 {
        world.print(attempt(0), &[b'x'; 997]);
    }
    assert!(world.session.may_read(attempt(0)), "a flood is not slowed down");
    assert_eq!(pieces(&mut world), [(0, 0, 500)]);

    world.wake();

    let sent = pieces(&mut world);
    assert_eq!((sent[0].0, sent[0].1), (996_500, 996_000));
    assert_eq!(sent.iter().map(|piece| piece.2).sum::<usize>(), 500);
}

#[test]
fn many_windows_share_their_memory() {
    let limits = Limits { windows: 24 << 10, ..Limits::default() };
    let mut world = World::limited(spec(), limits);
    world.tell(Input::LinkUp(crate::Terms { output_bytes: 1 << 20, ..terms() }));
    world.define(1, spec());
    world.actions();
    world.run(0);
    world.run(1);

    for index in [0, 1, 0, 1] {
        world.print(attempt(index), &vec![b'x'; 1 << 20]);
    }
    pieces(&mut world);
    world.wake();

    let bytes: usize = pieces(&mut world).iter().map(|piece| piece.2).sum();
    assert_eq!(bytes, 24 << 10);
}

#[test]
fn a_window_waits_while_the_scheduler_is_behind_and_then_has_the_latest() {
    let limits = Limits { bytes: 600, ..Limits::default() };
    let mut world = World::limited(spec(), limits);
    world.run(0);
    world.print(attempt(0), &[b'x'; 600]);
    world.wake();
    world.print(attempt(0), &[b'y'; 600]);
    assert_eq!(world.wake(), 250);

    assert_eq!(pieces(&mut world), [(0, 0, 500)]);
    world.wake();

    assert_eq!(pieces(&mut world)[0], (700, 200, 500));
}

#[test]
fn output_is_not_read_while_too_much_of_it_waits() {
    let mut world = World::limited(spec(), Limits { bytes: 600, ..Limits::default() });

    world.run(0);
    world.print(attempt(0), &[b'x'; 500]);
    assert!(!world.session.may_read(attempt(0)));
    world.start(1);
    assert_eq!(world.launched(), []);
    pieces(&mut world);

    assert!(world.session.may_read(attempt(0)));
    assert!(world.actions().contains(&Action::ResumeReading));
}

#[test]
fn who_prints_more_than_the_link_carries_waits_and_others_do_not() {
    let mut world = World::limited(spec(), Limits { bytes: 1000, ..Limits::default() });
    world.run(0);
    world.run(1);

    world.print(attempt(0), &[b'x'; 300]);
    world.print(attempt(1), &[b'y'; 100]);

    assert!(!world.session.may_read(attempt(0)) && world.session.may_read(attempt(1)));
    assert_eq!(world.actions(), []);
    pieces(&mut world);
    assert!(world.session.may_read(attempt(0)));
    assert_eq!(world.actions(), [Action::ResumeReading]);
}

#[test]
fn an_ended_attempt_leaves_no_window_and_no_timer() {
    let mut world = World::new();
    world.run(0);
    let lease = world.session.wake_at();
    world.print(attempt(0), &[b'x'; 700]);
    world.exit(attempt(0), Status::Code(0), true);

    assert_eq!(world.session.wake_at(), lease);
    world.pass(Span::from_secs(1).as_millis());
    world.tell(Input::Timer);
    let end = pieces(&mut world);
    assert_eq!(end.iter().map(|piece| piece.2).sum::<usize>(), 700);
}

/// What goes out in one message, in words.
fn told(world: &mut World) -> Vec<String> {
    let reports = world.sent().map(|(_, reports)| reports).unwrap_or_default();
    let word = |report: &Report| match report {
        Report::Output { attempt, data, .. } => format!("{attempt} printed {}", data.len()),
        Report::Started { attempt, .. } => format!("{attempt} started"),
        Report::Ended { attempt, usage, .. } => {
            format!("{attempt} ended{}", if usage.truncated { ", cut" } else { "" })
        }
        Report::Kept { attempt, .. }
        | Report::Saved { attempt, .. }
        | Report::Claimed { attempt, .. }
        | Report::Stopping { attempt, .. } => format!("{attempt} other"),
        Report::Noticed(_) => "noticed".to_owned(),
    };
    reports.iter().map(word).collect()
}

#[test]
fn while_there_is_no_room_for_output_it_waits_with_what_follows_it_and_nothing_else_does() {
    let mut world = World::new();
    world.tell(Input::HoldOutput(true));

    world.run(0);
    world.print(attempt(0), b"words");
    world.run(1);
    world.exit(attempt(0), Status::Code(0), true);
    world.exit(attempt(1), Status::Code(0), true);

    let (first, second) = (attempt(0), attempt(1));
    assert_eq!(told(&mut world), [format!("{second} ended")]);
    assert!(!world.session.has_unsent() && !world.session.is_settled());
    world.tell(Input::HoldOutput(false));
    world.tell(Input::HoldOutput(true));
    assert_eq!(told(&mut world), Vec::<String>::new(), "it comes and goes");
    world.tell(Input::HoldOutput(false));
    assert_eq!(told(&mut world), [format!("{first} printed 5"), format!("{first} ended")]);
    world.tell(Input::Acknowledged(3));
    assert!(world.session.is_settled());
}

#[test]
fn what_was_held_back_is_not_taken_for_another_report_that_is_not_wanted_any_more() {
    let mut world = World::new();
    world.tell(Input::HoldOutput(true));
    world.run(0);
    world.print(attempt(0), b"words");
    world.run(1);
    world.print(attempt(0), b" and more");
    told(&mut world);

    world.tell(Input::HoldOutput(false));
    // Its end makes the report of its start superfluous, wherever that has been.
    world.exit(attempt(1), Status::Code(0), true);
    world.exit(attempt(0), Status::Code(0), true);

    let told = told(&mut world).into_iter().filter(|one| one.contains("printed"));
    let printed: usize =
        told.map(|one| one.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(printed, b"words and more".len());
}

#[test]
fn what_has_a_number_goes_again_on_the_next_link_although_there_is_no_room() {
    let mut world = World::new();
    world.run(0);
    world.print(attempt(0), b"words");
    assert_eq!(told(&mut world).len(), 2);

    world.tell(Input::HoldOutput(true));
    world.tell(Input::LinkUp(terms()));
    world.print(attempt(0), b"more");

    assert_eq!(told(&mut world).len(), 2, "they have been told before, in this order");
    assert_eq!(told(&mut world), Vec::<String>::new());
}

#[test]
fn who_is_cancelled_does_not_wait_for_room_and_says_that_output_is_missing() {
    let mut world = World::new();
    world.tell(Input::HoldOutput(true));
    world.run(0);
    world.print(attempt(0), b"words");
    world.run(1);
    world.print(attempt(1), b"last words");
    world.exit(attempt(1), Status::Code(0), true);
    told(&mut world);

    world.stop(attempt(0), StopReason::Cancelled);
    world.exit(attempt(0), Status::Signal(15), true);
    // This one has ended before, and only its output keeps it.
    world.stop(attempt(1), StopReason::Cancelled);

    let (first, second) = (attempt(0), attempt(1));
    let expected =
        [format!("{first} other"), format!("{first} ended, cut"), format!("{second} ended, cut")];
    let mut found = told(&mut world);
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(found, expected);
    world.tell(Input::HoldOutput(false));
    assert_eq!(told(&mut world), Vec::<String>::new());
}
