//! Reports for outsiders, made from the facts of the ledger and nothing else.
//!
//! [`Gather`] takes the facts in order, [`Compliance`] is what they come to for a period, and there are
//! three ways to write that down: JSON, CSV and a page fit for printing. What the ledger does not say is
//! said to be unknown.

mod accounts;
mod compliance;
mod csv;
mod fields;
mod findings;
mod gather;
mod jobs;
mod page;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use compliance::{Compliance, Ledger, Period};
pub use csv::csv;
pub use gather::Gather;
pub use page::page;
