//! Boxes as they are: every test starts real processes.

mod harness;
mod levels;
