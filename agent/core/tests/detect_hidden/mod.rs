//! Tasks that keep the probe away, and those that are too short for it.

use crate::detect_support::{at, detector, registers};
use repower_agent_core::detect::{Carried, Detector, Mode, Response, Rule, Sample, Settings};

const ALL: [Mode; 4] = [Mode::Nearest, Mode::Down, Mode::Up, Mode::Zero];

/// Looks that find a busy thread traced, so many seconds apart.
fn trace(detector: &mut Detector, from: u64, looks: u64, apart: u64) {
    for look in 0..looks {
        detector.observe(&Sample::Traced { process: 7 }, at((from + look * apart) * 1000));
    }
}

#[test]
fn a_task_that_computes_under_its_own_trace_for_minutes_keeps_the_probe_away() {
    let mut detector = detector();

    trace(&mut detector, 0, 45, 4);
    assert_eq!(detector.response(), Response::None, "four seconds are missing");
    trace(&mut detector, 180, 1, 1);

    assert_eq!(detector.response(), Response::Hold);
    let verdict = detector.verdicts().next().unwrap();
    assert_eq!((verdict.rule, verdict.first_seen.as_millis()), (Rule::ProbeBlocked, 0));
}

#[test]
fn who_traces_a_job_for_a_short_time_now_and_then_hides_nothing() {
    let mut detector = detector();

    for session in 0..10 {
        trace(&mut detector, session * 600, 60, 2);
    }
    assert_eq!(detector.response(), Response::None, "two minutes each, with pauses");
    trace(&mut detector, 10_000, 7, 60);

    assert_eq!(detector.response(), Response::None, "seven looks are too few");
}

/// A task that lasts so many seconds: what it leaves to the next, and what is to be done about it.
fn task(carried: Carried, modes: &[Mode], from: usize, seconds: usize) -> (Carried, Response) {
    let mut detector = detector();
    detector.carry_on(carried);
    for n in from..from + seconds {
        let sample = registers(modes[n % modes.len()], Mode::Nearest);
        detector.observe(&sample, at(n as u64 * 1000));
    }
    let left = detector.leave(at((from + seconds) as u64 * 1000));
    (left, detector.response())
}

/// Tasks of one job after each other, of so many seconds each.
fn tasks(modes: &[Mode], seconds: usize, count: usize) -> Vec<Response> {
    let rounding = Settings::default().rounding;
    let mut of_job = Carried::default();
    let mut responses = Vec::new();
    for n in 0..count {
        let (left, response) = task(of_job.part(), modes, n * seconds, seconds);
        of_job.add(left, &rounding);
        responses.push(response);
    }
    responses
}

#[test]
fn short_tasks_of_one_job_count_together() {
    for (seconds, first) in [(25, 1), (8, 3), (3, 10)] {
        let responses = tasks(&ALL, seconds, 12);

        let found = responses.iter().position(|one| *one == Response::Freeze);
        assert_eq!(found, Some(first), "tasks of {seconds} s: 32 samples are needed");
    }
    let alone = task(Carried::default(), &ALL, 0, 25).1;
    assert_eq!(alone, Response::None, "one alone is too short");
}

#[test]
fn short_honest_tasks_leave_nothing_that_adds_up() {
    let calm = tasks(&[Mode::Nearest], 5, 400);
    let intervals = tasks(&[Mode::Up, Mode::Down], 7, 400);

    assert!(calm.iter().chain(&intervals).all(|one| *one == Response::None));
}

#[test]
fn tasks_beside_each_other_share_no_window_and_count_none_twice() {
    let rounding = Settings::default().rounding;
    let mut of_job = Carried::default();
    let (one, _) = task(Carried::default(), &ALL, 0, 16);
    of_job.add(one, &rounding);

    // Two that begin at once: both know of one suspicious window, and find nothing more.
    let (first, second) = (of_job.part(), of_job.part());
    for part in [first, second] {
        let (left, response) = task(part, &[Mode::Nearest], 30, 13);
        assert_eq!(response, Response::None);
        of_job.add(left, &rounding);
    }
    let (_, response) = task(of_job.part(), &[Mode::Nearest], 60, 40);

    assert_eq!(response, Response::None);
}

#[test]
fn what_was_left_is_forgotten_after_an_hour() {
    let (left, _) = task(Carried::default(), &ALL, 0, 20);

    let (_, response) = task(left, &ALL, 3700, 20);

    assert_eq!(response, Response::None);
}
