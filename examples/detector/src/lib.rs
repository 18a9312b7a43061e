//! Test loads for the detector, and the report that is made with them.
//!
//! No load talks to a pool, holds a wallet or leaves this machine. The one that computes a real
//! proof-of-work function does so on random local input and throws the results away.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "loads compute with floats of small numbers, and the report prints them"
)]

pub mod clock;
pub mod load;
pub mod report;
