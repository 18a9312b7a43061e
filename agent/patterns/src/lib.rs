//! Patterns of proof-of-work functions and pool protocols, and a scanner that streams.
//!
//! They are stored encoded, so that neither this program nor its source is what it looks for. One
//! constant alone proves nothing (the multiplier of the dataset is Knuth's, and in many honest
//! programs); at least [`Hits::CONSTANTS`] different ones do. The same holds for words of protocols,
//! of which documents have one and clients have several: at least [`Hits::WORDS`].
//!
//! Not seen: builds that split constants over several instructions, and packed images on disk (their
//! unpacked form in memory is).

mod encoded;
mod scan;

pub use scan::{Hits, Patterns, Scan};
