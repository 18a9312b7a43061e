//! How things look: tables and lines for people, JSON for programs, both in one voice.
//!
//! The only part of the command line that writes to the terminal. It asks nobody anything.

pub mod claims;
pub mod failure;
pub mod json;
pub mod lines;
pub mod progress;
pub mod quantity;
pub mod screen;
pub mod table;
#[cfg(test)]
pub(crate) mod testing;
pub mod time;
pub mod transfer;
pub mod words;

pub use screen::{Form, OutputError, Screen};
pub use table::{Cell, Column, Table};
