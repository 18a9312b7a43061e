//! How often a task is looked at.

use proptest::prelude::*;
use repower_agent_core::Moment;
use repower_agent_core::detect::{Outcome, Pace, PaceSettings};
use repower_model::Span;

fn ms(ms: u64) -> Moment {
    Moment::from_millis(ms)
}

#[test]
fn a_stop_is_paid_for_before_the_next() {
    let mut pace = Pace::new(PaceSettings::default(), ms(0));

    pace.looked(Outcome::Stopped { cost: Span::from_millis(1) }, ms(10));
    assert_eq!(pace.due(), ms(1010));
    pace.looked(Outcome::Stopped { cost: Span::from_millis(40) }, ms(1010));

    assert_eq!(pace.due(), ms(5010), "40 ms are one percent of 4 s");
}

#[test]
fn a_calm_task_is_looked_at_less_often_until_something_may_be_there() {
    let mut pace = Pace::new(PaceSettings::default(), ms(0));
    let stopped = Outcome::Stopped { cost: Span::from_millis(1) };

    for _ in 0..20 {
        pace.calm();
    }
    pace.looked(stopped, ms(0));
    assert_eq!(pace.due(), ms(4000));
    pace.hurry();
    pace.looked(stopped, ms(4000));

    assert_eq!(pace.due(), ms(5000));
}

#[test]
fn a_task_that_sleeps_is_looked_at_less_and_less_often_until_it_wakes() {
    let mut pace = Pace::new(PaceSettings::default(), ms(0));
    let mut waits = Vec::new();

    for outcome in [Outcome::Slept; 6].into_iter().chain([Outcome::NothingRan, Outcome::Slept]) {
        let now = pace.due();
        pace.looked(outcome, now);
        waits.push(pace.due().since(now).as_millis());
    }

    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 4000, 250, 250]);
}

#[test]
fn when_nothing_runs_it_looks_again_soon_without_stopping_anything() {
    let mut pace = Pace::new(PaceSettings::default(), ms(0));

    pace.looked(Outcome::NothingRan, ms(0));

    assert_eq!(pace.due(), ms(250));
}

proptest! {
    #[test]
    fn stops_take_at_most_one_percent_and_come_at_most_once_a_second(
        steps in proptest::collection::vec((0_u64..200, 0_u8..5), 1..300),
    ) {
        let mut pace = Pace::new(PaceSettings::default(), ms(0));
        let (mut stood_still, mut stops, mut last) = (0_u64, 0_u64, 0);
        for (cost, what) in steps {
            let now = pace.due();
            match what {
                0 => pace.looked(Outcome::NothingRan, now),
                1 => { pace.hurry(); pace.looked(Outcome::NotStopped, now); }
                2 => { pace.calm(); pace.looked(Outcome::NothingRan, now); }
                _ => {
                    pace.looked(Outcome::Stopped { cost: Span::from_millis(cost) }, now);
                    stood_still += cost;
                    stops += 1;
                }
            }
            last = pace.due().as_millis();
        }
        prop_assert!(stood_still * 100 <= last);
        prop_assert!(stops * 1000 <= last);
    }
}
