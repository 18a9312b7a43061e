//! What may be written on the command line.
//!
//! Each command has its own file in `command/`, with its options beside what it does; here is what
//! they share, and the tree that holds them.

mod id;
mod reach;
mod read;
mod style;
#[cfg(test)]
mod tests;
mod tree;

pub(crate) use id::id;
pub use reach::{Look, Reach};
pub(crate) use read::{Misread, read};
pub use tree::{Arguments, Command};

/// The exit codes, as `--help` tells them.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed
  2  the command line makes no sense
  3  the scheduler cannot be reached, or is not the one that is trusted
  4  not permitted
`wait` and `submit --wait` exit with the job's own code: that of its first
failed task, 128 + the signal if one ended it.";
