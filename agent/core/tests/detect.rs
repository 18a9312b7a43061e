//! What samples lead to which verdict.

mod detect_hidden;
mod detect_shape;
mod detect_support;

use detect_support::{at, detector, flow, registers, registers_of};
use proptest::prelude::*;
use repower_agent_core::detect::patterns::Hits;
use repower_agent_core::detect::{
    Area, Counters, Detector, Executable, ExecutableState, FlowSettings, Memory, Mode, Response,
    Rule, Sample, Settings, recording,
};
use repower_model::Span;

const ALL: [Mode; 4] = [Mode::Nearest, Mode::Down, Mode::Up, Mode::Zero];

/// One sample a second from one thread, the modes in turn.
fn feed(detector: &mut Detector, modes: &[Mode], x87: &[Mode], from: u64, count: u64) {
    for n in 0..count {
        let index = usize::try_from(n).expect("test counts are small");
        let sample = registers(modes[index % modes.len()], x87[index % x87.len()]);
        detector.observe(&sample, at((from + n) * 1000));
    }
}

#[test]
fn four_modes_with_a_constant_x87_freeze_after_the_second_window() {
    let mut detector = detector();

    feed(&mut detector, &ALL, &[Mode::Nearest], 0, 31);
    assert_eq!(detector.response(), Response::None);
    feed(&mut detector, &ALL, &[Mode::Nearest], 31, 1);

    assert_eq!(detector.response(), Response::Freeze);
    let verdict = detector.verdicts().next().unwrap();
    assert_eq!(verdict.rule, Rule::RoundingModes);
    assert_eq!(verdict.first_seen.as_millis(), 0);
    assert_eq!(verdict.last_seen.as_millis(), 31_000);
    assert_eq!(detector.coverage().suspicious, 2);
}

#[test]
fn two_modes_are_interval_arithmetic_and_no_verdict() {
    let mut detector = detector();

    feed(&mut detector, &[Mode::Up, Mode::Down], &[Mode::Nearest], 0, 4000);

    assert_eq!(detector.response(), Response::None);
    assert_eq!(detector.coverage().windows, 250);
    assert_eq!(detector.coverage().restless, 250);
}

#[test]
fn modes_that_the_x87_follows_are_only_asked_about() {
    let mut detector = detector();

    feed(&mut detector, &ALL, &ALL, 0, 400);

    assert_eq!(detector.response(), Response::Ask);
    assert_eq!(detector.coverage().suspicious, 0);
}

#[test]
fn one_suspicious_window_is_not_enough() {
    let mut detector = detector();

    feed(&mut detector, &ALL, &[Mode::Nearest], 0, 16);
    feed(&mut detector, &[Mode::Nearest], &[Mode::Nearest], 16, 1600);

    assert_eq!(detector.response(), Response::None);
    assert_eq!(detector.coverage().suspicious, 1);
}

#[test]
fn two_windows_must_be_ten_seconds_apart() {
    let mut detector = detector();

    for n in 0..16 * 9 {
        detector.observe(&registers(ALL[n % 4], Mode::Nearest), at(n as u64 * 60));
    }
    assert_eq!(detector.response(), Response::None, "nine windows within nine seconds");
    for n in 16 * 9..16 * 12 {
        detector.observe(&registers(ALL[n % 4], Mode::Nearest), at(n as u64 * 60));
    }

    assert_eq!(detector.response(), Response::Freeze);
}

#[test]
fn a_suspicious_window_is_forgotten_after_an_hour() {
    let mut detector = detector();

    feed(&mut detector, &ALL, &[Mode::Nearest], 0, 16);
    feed(&mut detector, &[Mode::Nearest], &[Mode::Nearest], 16, 16);
    feed(&mut detector, &ALL, &[Mode::Nearest], 3700, 16);

    assert_eq!(detector.response(), Response::None);
}

#[test]
fn a_thread_that_hides_beside_interval_arithmetic_is_seen_in_its_own_window() {
    let mut detector = detector();

    for n in 0..160_usize {
        let beside = [Mode::Up, Mode::Down][n % 2];
        detector.observe(&registers_of(1, 1, beside, beside), at(n as u64 * 2000));
        detector
            .observe(&registers_of(1, 2, ALL[n % 4], Mode::Nearest), at(n as u64 * 2000 + 1000));
    }

    assert_eq!(detector.response(), Response::Freeze);
}

#[test]
fn a_miner_that_forks_for_every_step_is_seen_in_the_window_of_the_task() {
    let mut detector = detector();

    for n in 0..64_u32 {
        let sample = registers_of(100 + n, 100 + n, ALL[n as usize % 4], Mode::Nearest);
        detector.observe(&sample, at(u64::from(n) * 1000));
    }

    assert_eq!(detector.response(), Response::Freeze);
}

#[test]
fn constants_in_memory_freeze_and_words_of_a_pool_hold() {
    let seen = |constants, words| {
        let mut detector = detector();
        let hits = Hits::of(constants, words);
        detector.observe(&Sample::Memory(Memory { process: 7, hits }), at(0));
        detector.response()
    };

    assert_eq!(seen(2, 1), Response::None);
    assert_eq!(seen(3, 0), Response::Freeze);
    assert_eq!(seen(0, 2), Response::Hold);
    assert_eq!(seen(20, 9), Response::Freeze, "one mechanism is one witness");
}

#[test]
fn two_witnesses_that_have_nothing_in_common_end_the_task() {
    let mut detector = detector();

    feed(&mut detector, &ALL, &[Mode::Nearest], 0, 32);
    let hits = Hits::of(3, 0);
    let fresh = detector.observe(&Sample::Memory(Memory { process: 7, hits }), at(40_000));

    assert_eq!(fresh.len(), 1);
    assert_eq!(detector.response(), Response::Kill);
}

#[test]
fn a_changed_file_and_one_that_never_was_are_one_witness() {
    let mut detector = detector();

    for state in [ExecutableState::Changed, ExecutableState::InMemory, ExecutableState::Deleted] {
        detector.observe(&Sample::Executable(Executable { process: 7, state }), at(0));
    }

    assert_eq!(detector.response(), Response::Freeze);
}

#[test]
fn a_file_that_was_deleted_holds_but_does_not_freeze() {
    let mut detector = detector();

    let state = ExecutableState::Deleted;
    detector.observe(&Sample::Executable(Executable { process: 7, state }), at(0));

    assert_eq!(detector.response(), Response::Hold);
}

#[test]
fn a_blocked_probe_holds() {
    let mut detector = detector();

    detector.observe(&Sample::Blocked { process: 7 }, at(0));

    assert_eq!(detector.response(), Response::Hold);
}

#[test]
fn a_thin_connection_that_the_other_end_drives_is_pool_like() {
    let mut detector = detector();
    let (mut sent, mut received) = (180, 900);

    for look in 0..=360_u64 {
        received += if look % 6 == 0 { 420 } else { 0 };
        sent += if look % 9 == 4 { 190 } else { 0 };
        received += if look % 9 == 4 { 60 } else { 0 };
        detector.observe(&flow(sent, received), at(look * 5000));
    }

    assert_eq!(detector.response(), Response::Hold);
    assert_eq!(detector.verdicts().next().unwrap().rule, Rule::PoolShape);
}

#[test]
fn requests_with_their_answers_are_not_pool_like() {
    let mut detector = detector();

    for look in 0..=3600_u64 {
        let turns = look / 4;
        detector.observe(&flow(turns * 17, turns * 17), at(look * 5000));
    }

    assert_eq!(detector.response(), Response::None);
    assert_eq!(detector.coverage().flow_windows, 10);
}

#[test]
fn a_feed_that_is_only_listened_to_is_not_pool_like() {
    let mut detector = detector();

    for look in 0..=720_u64 {
        detector.observe(&flow(300, 100 * (look / 3)), at(look * 5000));
    }

    assert_eq!(detector.response(), Response::None);
}

#[test]
fn a_connection_that_is_idle_or_busy_is_not_pool_like() {
    for (pause, bytes) in [(70_u64, 400_u64), (6, 40_000)] {
        let mut detector = detector();
        for look in 0..=720_u64 {
            let turns = look / pause;
            let sent = 50 * (look / 13);
            detector.observe(
                &flow(if pause > 60 { 50 * turns } else { sent }, turns * bytes),
                at(look * 5000),
            );
        }
        assert_eq!(detector.response(), Response::None, "{pause} {bytes}");
    }
}

#[test]
fn a_connection_outside_the_list_holds_at_once() {
    let mut detector = detector();
    let Sample::Flow(mut outside) = flow(1, 1) else { unreachable!() };
    outside.is_allowed = false;

    detector.observe(&Sample::Flow(outside), at(0));

    assert_eq!(detector.response(), Response::Hold);
}

#[test]
fn the_window_of_connections_follows_its_settings() {
    let flows = FlowSettings { window: Span::from_secs(60), ..FlowSettings::default() };
    let mut detector = Detector::new(Settings { flow: flows, ..Settings::default() });

    for look in 0..=24_u64 {
        detector.observe(&flow(look * 10, look * 10), at(look * 5000));
    }

    assert_eq!(detector.coverage().flow_windows, 2);
}

#[test]
fn steady_load_for_nothing_is_asked_about_and_progress_answers() {
    let seen = |progress: bool, wobble: u64| {
        let mut detector = detector();
        for minute in 0..=20_u64 {
            let counters = Counters {
                cpu_ms: minute * 60_000 + (minute % 2) * wobble,
                moved: 0,
                output: 0,
                progress: progress.then_some(minute),
            };
            detector.observe(&Sample::Counters(counters), at(minute * 60_000));
        }
        detector.response()
    };

    assert_eq!(seen(false, 0), Response::Ask);
    assert_eq!(seen(true, 0), Response::None);
    assert_eq!(seen(false, 20_000), Response::None, "load that swings is not flat");
}

#[test]
fn a_wall_clock_that_jumps_back_shortens_nothing() {
    let mut detector = detector();
    detector.observe(&Sample::Blocked { process: 7 }, at(100_000));
    let mut back = at(160_000);
    back.wall = repower_model::Timestamp::from_millis(40_000);

    detector.observe(&Sample::Blocked { process: 7 }, back);

    let verdict = detector.verdicts().next().unwrap();
    assert_eq!(verdict.first_seen.as_millis(), 40_000);
    assert_eq!(verdict.last_seen.as_millis(), 100_000);
    assert_eq!(verdict.times, 2);
}

#[test]
fn a_malformed_recording_names_its_line() {
    let cases = [
        ("nonsense", "line 1 does not begin with milliseconds and what was seen"),
        ("\n5 dance", "line 2 has a sample called \"dance\", which there is not"),
        ("5 blocked", "line 1 has no usable value for process"),
        (
            "5 registers process=1 thread=1 sse=sideways x87=up",
            "line 1 has no usable value for sse",
        ),
    ];
    for (text, message) in cases {
        assert_eq!(recording::read(text).unwrap_err().to_string(), message);
    }
}

fn samples() -> impl Strategy<Value = Sample> {
    let mode = || (0_u32..4).prop_map(Mode::from_bits);
    let area = (1_u64..1 << 40, any::<bool>(), any::<bool>()).prop_map(|(bytes, a, x)| Area {
        bytes,
        is_anonymous: a,
        is_executable: x,
    });
    prop_oneof![
        (0_u32..3, 0_u32..300, mode(), mode()).prop_map(|(p, t, s, x)| registers_of(p, t, s, x)),
        (0_u32..4, 0_u32..4).prop_map(|(constants, words)| {
            Sample::Memory(Memory { process: 1, hits: Hits::of(constants, words) })
        }),
        proptest::collection::vec(area, 0..8)
            .prop_map(|areas| Sample::Mappings { process: 1, areas }),
        (0_u64..9999, 0_u64..9999).prop_map(|(sent, received)| flow(sent, received)),
        (0_u64..99_999, proptest::option::of(0_u64..9)).prop_map(|(cpu_ms, progress)| {
            Sample::Counters(Counters { cpu_ms, moved: 0, output: 0, progress })
        }),
        (0_u32..9).prop_map(|process| Sample::Blocked { process }),
        (0_u32..9).prop_map(|process| Sample::Traced { process }),
        (0_u32..9).prop_map(|process| Sample::Device { process }),
    ]
}

proptest! {
    #[test]
    fn a_recording_reads_back_as_it_was_written(sample in samples(), ms in 0_u64..1 << 40) {
        let text = recording::line(&sample, at(ms));

        let read = recording::read(&text).unwrap();

        prop_assert_eq!(read, vec![(at(ms), sample)]);
    }

    #[test]
    fn a_response_never_softens_and_the_same_samples_give_the_same_verdicts(
        samples in proptest::collection::vec((samples(), 0_u64..100_000), 0..300),
    ) {
        let (mut one, mut other) = (detector(), detector());
        let mut worst = Response::None;
        let mut ms = 0;
        for (sample, later) in &samples {
            ms += later;
            one.observe(sample, at(ms));
            prop_assert!(one.response() >= worst);
            worst = one.response();
        }
        ms = 0;
        for (sample, later) in &samples {
            ms += later;
            other.observe(sample, at(ms));
        }
        prop_assert!(one.verdicts().eq(other.verdicts()));
    }

    #[test]
    fn two_modes_or_a_busy_x87_never_freeze(
        modes in proptest::collection::vec((0_usize..2, 0_u32..4), 64..400),
        pair in (0_u32..4, 0_u32..4),
    ) {
        let mut detector = detector();
        let pair = [Mode::from_bits(pair.0), Mode::from_bits(pair.1)];
        for (n, (which, thread)) in modes.iter().enumerate() {
            let sample = registers_of(1, *thread, pair[*which], Mode::Nearest);
            detector.observe(&sample, at(n as u64 * 1000));
        }
        prop_assert_eq!(detector.response(), Response::None);
    }
}
