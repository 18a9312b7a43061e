//! Random numbers from a seed.
//!
//! Each concern rolls its own dice, so that a world without one fault is otherwise the same world.
//! How numbers are drawn is written out here, so that a seed means the same world with every
//! version of every library.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng, SeedableRng};
use repower_model::Span;

/// Dice that always fall the same way from the same seed.
#[derive(Debug, Clone)]
pub struct Dice {
    source: Pcg64Mcg,
}

impl Dice {
    /// The dice of one concern in the world of a seed.
    pub fn new(seed: u64, concern: &str) -> Self {
        // FNV-1a.
        let named = concern.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mixed = named ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { source: Pcg64Mcg::seed_from_u64(mixed) }
    }

    /// A number below `bound`; 0 if that is 0.
    ///
    /// # Panics
    ///
    /// Never: half of 128 bits are 64.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.source.next_u64()) * u128::from(bound);
        u64::try_from(product >> 64).expect("half of 128 bits are 64")
    }

    /// A number from `low` to `high`, both included.
    pub fn within(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// The same, if the number is small.
    pub fn small(&mut self, low: u32, high: u32) -> u32 {
        u32::try_from(self.within(low.into(), high.into())).unwrap_or(high)
    }

    /// Whether something happens that does so `per_mille` times of a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A length of time between two.
    pub fn span(&mut self, least: Span, most: Span) -> Span {
        Span::from_millis(self.within(least.as_millis(), most.as_millis()))
    }

    /// One of several.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(of.len() as u64)).unwrap_or(0);
        &of[at]
    }

    /// 16 bytes: a key, or an instance.
    pub fn bytes(&mut self) -> [u8; 16] {
        let (high, low) = (self.source.next_u64(), self.source.next_u64());
        ((u128::from(high) << 64) | u128::from(low)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_numbers_for_ever() {
        let mut dice = Dice::new(7, "network");

        let rolls: Vec<_> = (0..6).map(|_| dice.within(10, 20)).collect();

        assert_eq!(rolls, [14, 11, 16, 20, 19, 19]);
    }

    #[test]
    fn concerns_are_independent_and_bounds_hold() {
        let (mut one, mut other) = (Dice::new(7, "a"), Dice::new(7, "b"));

        assert_ne!(one.bytes(), other.bytes());
        assert!((0..1000).all(|_| (3..=5).contains(&one.within(3, 5))));
        assert_eq!(one.below(0), 0);
    }
}
