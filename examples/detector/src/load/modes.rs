//! Loads that change rounding modes, for good reasons and for bad ones.

use super::Step;

#[expect(unsafe_code, reason = "the C library has no safe form")]
mod c {
    use std::ffi::c_int;

    // SAFETY: declared as in fenv.h and math.h; neither touches memory.
    unsafe extern "C" {
        pub(super) safe fn fesetround(mode: c_int) -> c_int;
        pub(super) safe fn rint(x: f64) -> f64;
    }
}

const NEAREST: i32 = 0;
const DOWN: i32 = 0x400;
const UP: i32 = 0x800;
const ZERO: i32 = 0xc00;

/// Sums with a lower and an upper bound, by both units.
pub(super) fn intervals() -> Step {
    let mut bounds = (1.0_f64, 1.0_f64);
    Box::new(move || {
        for n in 1..1000 {
            c::fesetround(DOWN);
            bounds.0 = bound(bounds.0, n);
            c::fesetround(UP);
            bounds.1 = bound(bounds.1, n);
        }
        c::fesetround(NEAREST);
        bounds.1 - bounds.0
    })
}

/// Many values rounded down.
pub(super) fn floor_by_mode() -> Step {
    Box::new(move || {
        c::fesetround(DOWN);
        let sum: f64 = (0..10_000).map(|n| c::rint(std::hint::black_box(f64::from(n) * 0.7))).sum();
        c::fesetround(NEAREST);
        sum + (0..2_000).map(|n| c::rint(std::hint::black_box(f64::from(n) * 0.3))).sum::<f64>()
    })
}

/// One function in all modes.
pub(super) fn four_modes() -> Step {
    Box::new(move || {
        let mut sum = 0.0;
        for mode in [NEAREST, DOWN, UP, ZERO] {
            c::fesetround(mode);
            for n in 1..2000 {
                sum += bound(sum, n);
                sum *= 0.5;
            }
        }
        c::fesetround(NEAREST);
        sum
    })
}

/// As [`intervals`], by MXCSR alone and with the middle.
pub(super) fn intervals_by_mxcsr() -> Step {
    let mut bounds = (1.0_f64, 1.0_f64, 1.0_f64);
    Box::new(move || {
        for n in 1..1000 {
            set_mxcsr(1);
            bounds.0 = bound(bounds.0, n);
            set_mxcsr(2);
            bounds.1 = bound(bounds.1, n);
            set_mxcsr(0);
            bounds.2 = bound(bounds.2, n);
        }
        bounds.1 - bounds.0
    })
}

/// Any of four modes after every few hundred operations on doubles in two mebibytes.
pub(super) fn stand_in() -> Step {
    let mut scratchpad: Vec<u64> = (0..(2 << 20) / 8).collect();
    let mask = scratchpad.len() - 1;
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut sum = [1.0_f64, 2.0];
    Box::new(move || {
        for _ in 0..200 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            set_mxcsr(u32::try_from(state & 3).unwrap_or(0));
            for n in 0..200_usize {
                let place = (usize::try_from(state >> 20).unwrap_or(0) + n * 97) & mask;
                let value = (scratchpad[place] >> 12) as f64;
                sum[n & 1] = std::hint::black_box(sum[n & 1] * 0.5 + value).sqrt();
                scratchpad[place] ^= sum[n & 1].to_bits();
            }
        }
        set_mxcsr(0);
        sum[0]
    })
}

/// Makes this process unreadable for others of the same user.
pub(super) fn hide() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[inline(never)]
fn bound(from: f64, n: i32) -> f64 {
    let mut x = std::hint::black_box(from);
    for _ in 0..20 {
        x = std::hint::black_box(x * 0.9 + 1.0 / f64::from(n));
    }
    x
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "the register has no safe form")]
fn set_mxcsr(mode: u32) {
    let value: u32 = 0x1f80 | (mode << 13);
    // SAFETY: a valid value with all exceptions masked; the arithmetic that follows goes through
    // black boxes and is correct in any mode.
    unsafe {
        std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly));
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn set_mxcsr(mode: u32) {
    // There is no such register: the C library's form, which the probe does not look for there.
    let modes = [NEAREST, DOWN, UP, ZERO];
    c::fesetround(modes[mode as usize & 3]);
}
