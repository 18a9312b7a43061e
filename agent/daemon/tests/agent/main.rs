//! The agent against a small scheduler of its own, over real TLS, with real processes.

mod fake;
mod house;
mod running;
