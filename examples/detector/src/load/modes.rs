//! Loads that change rounding modes, for good reasons and for bad ones.

use repower_stand_in::{StandIn, round};

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
            round(1);
            bounds.0 = bound(bounds.0, n);
            round(2);
            bounds.1 = bound(bounds.1, n);
            round(0);
            bounds.2 = bound(bounds.2, n);
        }
        bounds.1 - bounds.0
    })
}

/// Any of four modes after every few hundred operations on doubles in two mebibytes.
pub(super) fn stand_in() -> Step {
    let mut load = StandIn::default();
    Box::new(move || load.step())
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
