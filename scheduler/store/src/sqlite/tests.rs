//! The journal on disk, and what it makes of faults.

mod common;
mod journal;
mod projections;
mod snapshots;
