//! Looks at what jobs bring along before they are let in: command line, script, environment, and
//! uploaded files with what is packed in them.
//!
//! What is found is a [`Mark`](repower_model::Mark) with its place; what becomes of the job is the policy's business.
//! Files come as streams, and whatever they pretend to be, a look takes bounded time and memory
//! ([`Limits`]): what goes beyond is marked as not looked at, and so is what is encrypted, damaged or
//! packed in a way that is not unpacked here.
//!
//! Not here: where files are, who may submit, and what is remembered of a digest.

mod between;
mod bounded;
mod files;
mod name;
mod packed;
mod plain;
mod rules;
mod tail;
mod tar;
mod texts;
mod zip;
mod zstd;

pub use files::{Limits, Looked, Sought, files};
pub use name::{is_program, of_input};
pub use rules::{RuleFault, Rules, RulesError, ruled};
pub use texts::texts;

/// Looks of different versions are not the same: what an older one found has to be looked at again.
pub const VERSION: u32 = 3;
