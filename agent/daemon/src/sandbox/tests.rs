//! Boxes as they are: every test starts real processes.

mod escapes;
mod harness;
mod levels;
mod limits;
