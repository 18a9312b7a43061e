//! The agent against a small scheduler of its own, over real TLS, with real processes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking, also in its helpers")]

mod boxes;
mod containers;
mod detecting;
mod disks;
mod egress;
mod enrolling;
mod fake;
mod freezing;
mod gangs;
mod gpus;
mod house;
mod image;
mod killed;
mod linking;
mod memory;
mod odd;
mod orders;
mod peers;
mod progress;
mod running;
mod stopping;
mod traced;
mod unprivileged;
mod users;
mod versions;
