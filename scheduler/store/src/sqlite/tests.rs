//! The journal on disk, and what it makes of faults.

mod common;
mod faults;
mod files;
mod journal;
mod projections;
mod snapshots;
mod tmpfs;
