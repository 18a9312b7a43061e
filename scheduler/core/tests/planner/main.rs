//! Random worlds against the promises of the planner. One seed is one world; `REPOWER_PLANNER_SEEDS`
//! says how many each test looks at, `REPOWER_PLANNER_FROM` from which on.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]
#![expect(clippy::wildcard_enum_match_arm, reason = "tests pick one fact out of many")]

mod happen;
mod life;
mod places;
mod promises;
mod seeded;
#[path = "../world/mod.rs"]
mod world;

use repower_core::fact::Entry;
use repower_core::plan::Discipline;
use seeded::{Seeded, Weather};

#[expect(clippy::disallowed_methods, reason = "a test has no command line of its own")]
fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number of seeds"))
}

/// Lives through the world of a seed, and returns its journal.
fn live(seed: u64, weather: Weather, steps: u32) -> Vec<Entry> {
    let all = Discipline::ALL;
    let discipline = if seed.is_multiple_of(2) {
        Discipline::Repower
    } else {
        all[usize::try_from(seed / 2).unwrap() % all.len()]
    };
    let mut seeded = Seeded::new(seed, discipline, weather);
    for step in 0..steps {
        seeded.step();
        if step % 48 == 47 {
            seeded.replays();
        }
    }
    if weather == Weather::Wild {
        seeded.calms_down();
    }
    seeded.world.journal
}

fn worlds(usual: u64, weather: Weather) {
    let from = env("REPOWER_PLANNER_FROM").unwrap_or(0);
    for seed in from..from + env("REPOWER_PLANNER_SEEDS").unwrap_or(usual) {
        let lived = std::panic::catch_unwind(|| live(seed, weather, 64));
        assert!(
            lived.is_ok(),
            "{weather:?} world of seed {seed}: REPOWER_PLANNER_FROM={seed} REPOWER_PLANNER_SEEDS=1"
        );
    }
}

#[test]
fn a_calm_world_keeps_every_promise() {
    worlds(100, Weather::Calm);
}

#[test]
fn a_wild_world_breaks_no_rule() {
    worlds(100, Weather::Wild);
}

#[test]
fn the_same_seed_gives_the_same_facts() {
    for seed in 0..12 {
        assert_eq!(live(seed, Weather::Wild, 48), live(seed, Weather::Wild, 48), "seed {seed}");
    }
}
