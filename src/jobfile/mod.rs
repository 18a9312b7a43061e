//! What a person writes to describe a job, and how it becomes a specification.
//!
//! Options, `#REPOWER` lines of a script and the keys of a job file have the same names and the
//! same values; each is read by the same parser, and [`Draft`] puts them together. Not for what the
//! scheduler knows better: classes, limits and what fits are its business.

pub mod amounts;
pub mod array;
pub mod demand;
pub mod dependency;
pub mod directive;
pub mod document;
pub mod draft;
pub mod duration;
pub mod extra;
pub mod held;
pub mod input;
pub mod moment;
pub mod number;
pub mod reference;
pub mod script;
pub mod signal;
pub mod size;
pub mod stops;
pub mod variable;

pub use draft::Draft;
