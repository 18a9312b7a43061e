//! What a processor's registers look like under RandomX, without a hash: any of four rounding modes
//! after every few hundred operations on doubles in two mebibytes.
//!
//! There is no proof of work in it, no constant of one, no network. It stands in for a miner where one
//! should not be built.

/// Changes the rounding mode and computes with doubles; a step takes some milliseconds.
#[derive(Debug)]
pub struct StandIn {
    scratchpad: Vec<u64>,
    state: u64,
    sum: [f64; 2],
}

impl Default for StandIn {
    fn default() -> Self {
        Self {
            scratchpad: (0..(2 << 20) / 8).collect(),
            state: 0x1234_5678_9abc_def1,
            sum: [1.0, 2.0],
        }
    }
}

impl StandIn {
    /// Does 200 times 200 operations, in 200 modes, and leaves the usual one behind.
    #[expect(clippy::cast_precision_loss, reason = "52 bits are left")]
    pub fn step(&mut self) -> f64 {
        let mask = self.scratchpad.len() - 1;
        for _ in 0..200 {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            round(u32::try_from(self.state & 3).unwrap_or(0));
            for n in 0..200_usize {
                let place = (usize::try_from(self.state >> 20).unwrap_or(0) + n * 97) & mask;
                let value = (self.scratchpad[place] >> 12) as f64;
                let sum = &mut self.sum[n & 1];
                *sum = std::hint::black_box(*sum * 0.5 + value).sqrt();
                self.scratchpad[place] ^= sum.to_bits();
            }
        }
        round(0);
        self.sum[0]
    }
}

/// Whether this processor has the register that is changed here.
pub const HAS_REGISTER: bool = cfg!(target_arch = "x86_64");

/// Sets the rounding mode of MXCSR alone, from 0 to 3; elsewhere there is no such register.
pub fn round(mode: u32) {
    #[cfg(target_arch = "x86_64")]
    {
        let value: u32 = 0x1f80 | ((mode & 3) << 13);
        #[expect(unsafe_code, reason = "the register has no safe form")]
        // SAFETY: a valid value with all exceptions masked; the arithmetic that follows goes through
        // black boxes and is correct in any mode.
        unsafe {
            std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly));
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = mode;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_computes_something_and_leaves_the_usual_mode_behind() {
        let mut load = StandIn::default();

        let (one, other) = (load.step(), load.step());

        assert!(one.is_finite() && other.is_finite() && one.to_bits() != other.to_bits());
        let third = std::hint::black_box(1.0_f64) / 3.0;
        assert_eq!(third.to_bits(), 0x3fd5_5555_5555_5555, "to the nearest");
    }
}
