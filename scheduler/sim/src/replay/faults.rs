//! Nodes that fail and come back, from a seed.

use repower_model::Span;

use crate::dice::Dice;

/// How often nodes fail, and for how long. Both times are exponentially distributed, and each node
/// has dice of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Mean time between a node's return and its next failure.
    pub mtbf: Span,
    /// Mean time until it is back.
    pub mttr: Span,
    /// What the dice start from.
    pub seed: u64,
}

/// The luck of one node.
#[derive(Debug)]
pub(super) struct Luck {
    dice: Dice,
    faults: Faults,
    /// Whether it is down.
    pub(super) down: bool,
}

impl Luck {
    pub(super) fn new(faults: Faults, node: u32) -> Self {
        let seed = faults.seed.wrapping_add(u64::from(node) << 40);
        Self { dice: Dice::new(seed, "replay.faults"), faults, down: false }
    }

    /// How long it stays as it is.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of traces are far below 2^53 ms, and a draw is positive"
    )]
    pub(super) fn stays(&mut self) -> Span {
        const STEPS: u64 = 1 << 32;
        let mean = if self.down { self.faults.mttr } else { self.faults.mtbf };
        let uniform = (self.dice.below(STEPS) + 1) as f64 / STEPS as f64;
        // The logarithm of `libm`: the same digits on every machine.
        let span = -libm::log(uniform) * mean.as_millis() as f64;
        Span::from_millis((span as u64).max(1))
    }
}
