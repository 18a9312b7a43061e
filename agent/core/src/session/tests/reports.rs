//! Reports, in order, once, until they are acknowledged.

use repower_model::Timestamp;

use super::{World, attempt};
use crate::{BatchLimits, Claims, Input, Report, Status};

#[test]
fn reports_are_numbered_from_one_without_gaps() {
    let mut world = World::new();

    world.run(0);
    let (first, started) = world.sent().unwrap();
    world.print(attempt(0), b"words");
    world.exit(attempt(0), Status::Code(0), true);
    let (second, rest) = world.sent().unwrap();

    assert_eq!((first, started.len()), (1, 1));
    assert_eq!((second, rest.len()), (2, 2));
    assert_eq!(world.sent(), None);
}

#[test]
fn the_start_of_a_task_that_has_already_ended_is_not_reported_apart() {
    let mut world = World::new();

    world.run(0);
    world.exit(attempt(0), Status::Code(0), true);

    let (first, reports) = world.sent().unwrap();
    assert_eq!(first, 1);
    assert!(matches!(&reports[..], [Report::Ended { started: Some(_), .. }]));
}

#[test]
fn small_pieces_of_output_become_one_report() {
    let mut world = World::new();

    world.run(0);
    world.run(1);
    world.print(attempt(0), b"one ");
    world.print(attempt(0), b"two");
    world.print(attempt(1), b"other");
    world.print(attempt(0), b" three");

    let (_, reports) = world.sent().unwrap();
    let pieces: Vec<(u64, &[u8])> = reports
        .iter()
        .filter_map(|report| match report {
            Report::Output { offset, data, .. } => Some((*offset, &data[..])),
            Report::Started { .. }
            | Report::Ended { .. }
            | Report::Kept { .. }
            | Report::Saved { .. }
            | Report::Noticed(_)
            | Report::Claimed { .. }
            | Report::Stopping { .. } => None,
        })
        .collect();
    assert_eq!(pieces, [(0, &b"one two"[..]), (0, b"other"), (7, b" three")]);
}

#[test]
fn what_a_process_has_said_of_its_progress_is_reported_before_its_end_and_never_after() {
    let mut world = World::new();
    world.run(0);
    let mut claims = Claims::default();
    claims.read(b"0.5\n", Timestamp::from_millis(7));
    let progress = Box::new(claims.progress().cloned().unwrap());
    let claimed = Input::Claimed { attempt: attempt(0), progress: progress.clone() };

    world.tell(claimed.clone());
    world.exit(attempt(0), Status::Code(0), true);
    world.tell(claimed);

    let (_, reports) = world.sent().unwrap();
    let told = Report::Claimed { attempt: attempt(0), progress };
    let [first, Report::Ended { .. }] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!(first, &told);
}

#[test]
fn large_output_is_cut_into_pieces() {
    let mut outbox = crate::outbox::Outbox::new();
    let data = vec![b'x'; Report::PIECE * 2 + 10];

    outbox.push_output(attempt(0), crate::Stream::Stdout, (0, 0), b"abc");
    outbox.push_output(attempt(0), crate::Stream::Stdout, (3, 0), &data);

    let limits = BatchLimits { bytes: usize::MAX, ..BatchLimits::default() };
    let batch = outbox.next_batch(&limits).unwrap();
    let pieces = batch.reports.iter().map(|report| match report {
        Report::Output { offset, data, .. } => (*offset, data.len()),
        Report::Started { .. }
        | Report::Ended { .. }
        | Report::Kept { .. }
        | Report::Saved { .. }
        | Report::Noticed(_)
        | Report::Claimed { .. }
        | Report::Stopping { .. } => panic!("not output"),
    });
    let piece = Report::PIECE as u64;
    let whole = [(0, Report::PIECE), (piece, Report::PIECE), (2 * piece, 13)];
    assert_eq!(pieces.collect::<Vec<_>>(), whole);
}

#[test]
fn what_is_not_acknowledged_is_held_and_sent_again_with_the_same_numbers() {
    let mut world = World::new();
    world.run(0);
    world.sent();
    world.run(1);
    world.exit(attempt(0), Status::Code(0), true);
    let before = world.sent().unwrap();
    world.tell(Input::Acknowledged(1));

    world.tell(Input::LinkDown { contact: world.now.steady });
    assert_eq!(world.sent(), None);
    assert_eq!(world.session.held().count(), 2);
    world.exit(attempt(1), Status::Code(0), true);
    world.tell(Input::LinkUp(super::terms()));

    let (first, again) = world.sent().unwrap();
    assert_eq!(first, before.0);
    assert_eq!(again[..before.1.len()], before.1[..]);
    assert_eq!(again.len(), before.1.len() + 1);
}

#[test]
fn an_acknowledged_end_is_forgotten() {
    let mut world = World::new();
    world.run(0);
    world.exit(attempt(0), Status::Code(0), true);
    world.sent();

    assert_eq!(world.session.held().count(), 1);
    world.tell(Input::Acknowledged(1));

    assert_eq!(world.session.held().count(), 0);
    assert!(world.session.is_settled());
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_changes_nothing() {
    let mut world = World::new();
    world.run(0);
    world.exit(attempt(0), Status::Code(0), true);

    world.tell(Input::Acknowledged(9));

    assert_eq!(world.outcomes().len(), 1);
}

#[test]
fn messages_are_bounded_and_so_is_what_is_on_its_way() {
    let mut world = World::new();
    for index in 0..10 {
        world.run(index);
        world.exit(attempt(index), Status::Code(0), true);
        world.actions();
    }
    let size = 128;
    let limits = BatchLimits { reports: 3, bytes: 2 * size, window_bytes: 5 * size };

    let mut lengths = Vec::new();
    while let Some(batch) = world.session.next_batch(&limits) {
        lengths.push(batch.reports.len());
    }
    assert_eq!(lengths, [2, 2, 1]);
    world.tell(Input::Acknowledged(4));

    assert_eq!(world.session.next_batch(&limits).unwrap().first, 6);
}
