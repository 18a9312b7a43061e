//! Verifying a ledger: which fact is the first that is not as it was written.
//!
//! What a verification proves: every fact is the one that the signed heads cover, in its place, and none is missing up
//! to the newest head. What it does not: whoever has the signing key can rewrite everything and sign it anew, and
//! anybody with the disk can put an old copy back. Only a head that was kept elsewhere shows that; see
//! [`Verifier::outside`]. The projections are not evidence, and are not looked at.

mod report;
#[cfg(test)]
mod tests;
mod verifier;

pub use report::{FirstBad, HeadProblem, Place, Report, What};
pub use verifier::{OutsideError, Verifier};

use std::path::Path;

use crate::database::FileError;
use crate::journal::{Ledger, ReadError, StoredEntry};
use crate::snapshot::Snapshots;
use crate::sqlite::Reader;

/// How many facts are read at once.
const BATCH: usize = 1024;

/// A ledger that could not be verified at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] FileError),
    /// Its heads cannot be read, so there is nothing to verify against.
    #[error(transparent)]
    Heads(#[from] ReadError),
}

impl VerifyError {
    /// What the auditor can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Open(error) => error.hint(),
            Self::Heads(_) => {
                "verify an export or a backup; `sqlite3 FILE .recover` saves what can still be read"
            }
        }
    }
}

/// Verifies the ledger of a data folder and its snapshots, with or without a scheduler that writes it.
pub fn verify_folder(
    folder: &Path,
    verifier: Verifier<'_>,
    progress: impl FnMut(u64),
) -> Result<Report, VerifyError> {
    let reader = Reader::open(folder)?;
    let mut report = verify(&reader, verifier, progress)?;
    let size = report.head.map_or(0, |head| head.size);
    (report.snapshots, report.damaged_snapshots) = Snapshots::new(folder, reader).check(size)?;
    Ok(report)
}

/// Verifies a whole ledger, and calls `progress` with the number of facts read so far.
///
/// Also works where parts of the file cannot be read: then the first fact that cannot is named.
///
/// # Errors
///
/// Only if the heads cannot be read: then there is nothing to verify against.
pub fn verify(
    ledger: &impl Ledger,
    mut verifier: Verifier<'_>,
    mut progress: impl FnMut(u64),
) -> Result<Report, ReadError> {
    // Heads before facts: a ledger may grow meanwhile, and what comes after its newest head then is not looked at.
    let size = ledger.latest_head()?.map_or(0, |newest| newest.head.size);
    let mut heads = ledger.heads(usize::MAX, None)?;
    heads.reverse();
    for head in &heads {
        verifier.stored(head);
    }
    while verifier.size() < size && verifier.goes_on() {
        let (facts, problem) = read(ledger, verifier.size());
        facts.iter().filter(|fact| fact.seq < size).for_each(|fact| verifier.fact(fact));
        progress(verifier.size());
        if let Some(problem) = problem {
            verifier.unreadable(&problem);
        } else if facts.iter().all(|fact| fact.seq >= size) {
            break;
        }
    }
    if verifier.size() == size {
        // A fact and its head come in one commit. So facts without a head were put there by somebody else.
        let beyond = ledger.entries(size, 1).is_ok_and(|facts| !facts.is_empty());
        if beyond && ledger.latest_head()?.map_or(0, |newest| newest.head.size) == size {
            verifier.unsigned();
        }
    }
    Ok(verifier.finish())
}

/// Reads some facts. If not all of them can be read: those before the first that cannot, and the problem.
fn read(ledger: &impl Ledger, from: u64) -> (Vec<StoredEntry>, Option<ReadError>) {
    if let Ok(facts) = ledger.entries(from, BATCH) {
        return (facts, None);
    }
    let mut facts: Vec<StoredEntry> = Vec::new();
    while facts.len() < BATCH {
        let next = facts.last().map_or(from, |fact| fact.seq + 1);
        match ledger.entries(next, 1) {
            Ok(one) if one.is_empty() => break,
            Ok(one) => facts.extend(one),
            Err(problem) => return (facts, Some(problem)),
        }
    }
    (facts, None)
}
