//! Boxes as they are: every test starts real processes.

mod devices;
mod escapes;
mod harness;
mod levels;
mod limits;
mod unprivileged;
