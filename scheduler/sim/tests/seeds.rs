//! Random worlds, each from a seed.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use repower_sim::fault::{Fault, Faults};
use repower_sim::shrink::attempt;
use repower_sim::transcript::Transcript;

fn run(seed: u64, faults: &Faults) -> repower_sim::Summary {
    match attempt(seed, faults, &mut Transcript::off()) {
        Ok(summary) => summary,
        Err(failure) => panic!("seed {seed} with {faults}: {failure:?}"),
    }
}

#[test]
fn every_world_keeps_every_rule() {
    for seed in 0..60 {
        run(seed, &Faults::of(seed));
    }
}

#[test]
fn a_world_without_trouble_keeps_every_rule() {
    for seed in 1000..1010 {
        run(seed, &Faults::default());
    }
}

#[test]
fn the_same_seed_gives_the_same_journal() {
    for seed in 2000..2005 {
        let all: Faults = Fault::ALL.into_iter().collect();

        let (one, again) = (run(seed, &all), run(seed, &all));

        assert_eq!(one, again);
        assert!(one.facts > 0);
    }
}
