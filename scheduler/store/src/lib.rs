//! The journal, its projections and the output of tasks: bytes on disk.
//!
//! The crate knows what a fact is only as bytes, and what people look up only as [`rows`]; the driver makes both.
//! It is synchronous, has no clock, and starts no thread.
//!
//! - [`journal`]: the two traits, and [`sqlite`] and [`memory`] that implement them;
//! - [`merkle`], [`note`], [`checkpoint`]: the tree over the facts, and its signed heads;
//! - [`verify`], [`export`]: what an auditor does with it;
//! - [`output`]: what tasks print.

pub mod checkpoint;
mod database;
pub mod export;
mod fault;
mod hex;
#[cfg(test)]
mod hostile;
pub mod journal;
pub mod memory;
pub mod merkle;
pub mod note;
pub mod output;
mod pool;
pub mod rows;
pub mod snapshot;
mod sql;
pub mod sqlite;
pub mod verify;

pub use database::FileError;
pub use fault::Fault;
