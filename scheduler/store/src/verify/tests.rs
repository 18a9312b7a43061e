//! Ledgers that were tampered with, in memory and on the disk.

mod disk;
mod memory;

use crate::journal::Entry;

/// Facts whose bodies begin with their own number, as those of the scheduler do.
fn entries(seqs: std::ops::Range<u64>, text: &str) -> Vec<Entry> {
    seqs.map(|seq| Entry { seq, body: [&seq.to_be_bytes()[..], text.as_bytes()].concat() })
        .collect()
}

fn seq_of(body: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*body.first_chunk::<8>()?))
}
