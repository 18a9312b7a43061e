//! The check itself: facts in order, heads at their sizes.

use std::collections::BTreeMap;
use std::error::Error;

use super::report::{FirstBad, HeadProblem, Place, Report, What};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::journal::{Head, SignedHead, StoredEntry};
use crate::merkle::{self, Frontier, Hash};
use crate::note::VerifierKey;

/// Takes a ledger in, fact by fact, and tells what is wrong with it. Its memory grows with the heads, not the facts.
#[expect(missing_debug_implementations, reason = "it holds a function")]
pub struct Verifier<'a> {
    key: &'a VerifierKey,
    seq_of: &'a dyn Fn(&[u8]) -> Option<u64>,
    /// Heads that are still to come, by size.
    ahead: BTreeMap<u64, Ahead>,
    /// The tree over the stored leaves so far.
    tree: Frontier,
    suspect: Option<Suspect>,
    first_bad: Option<FirstBad>,
    facts: u64,
    heads: u64,
    outside_heads: u64,
    head: Option<Head>,
    /// The size of the last head from outside that held.
    outside_held: u64,
}

/// The heads of one size.
#[derive(Default)]
struct Ahead {
    stored: Vec<Result<Head, HeadProblem>>,
    outside: Vec<Hash>,
}

/// A fact whose body and leaf do not fit. The next head tells which of them was changed.
struct Suspect {
    seq: u64,
    /// The tree as it would be with the leaf of the body.
    with_bodies: Frontier,
}

/// A head from outside that cannot be compared with.
#[derive(Debug, thiserror::Error)]
#[error("the head that was kept outside is not one of this ledger")]
pub struct OutsideError(#[from] CheckpointError);

impl<'a> Verifier<'a> {
    /// Begins a verification with the public key of the ledger.
    ///
    /// `seq_of` reads the number that the body of a fact begins with.
    pub fn new(key: &'a VerifierKey, seq_of: &'a dyn Fn(&[u8]) -> Option<u64>) -> Self {
        Self {
            key,
            seq_of,
            ahead: BTreeMap::new(),
            tree: Frontier::new(),
            suspect: None,
            first_bad: None,
            facts: 0,
            heads: 0,
            outside_heads: 0,
            head: None,
            outside_held: 0,
        }
    }

    /// Compares with a head that was kept outside of the ledger, as a signed note. To be called before any fact.
    ///
    /// # Errors
    ///
    /// If the note is malformed, or not signed by the key of this ledger.
    pub fn outside(&mut self, note: &str) -> Result<(), OutsideError> {
        let head = Checkpoint::open(note, self.key)?;
        self.ahead.entry(head.size).or_default().outside.push(head.root);
        Ok(())
    }

    /// Compares with a head that is stored in the ledger. To be called before the facts that it covers.
    pub fn stored(&mut self, head: &SignedHead) {
        let checked =
            Checkpoint::open(&head.note, self.key).map_err(HeadProblem::Note).and_then(|note| {
                let same = (note.size, note.root) == (head.head.size, head.head.root);
                if same { Ok(head.head) } else { Err(HeadProblem::Columns) }
            });
        self.ahead.entry(head.head.size).or_default().stored.push(checked);
    }

    /// How many facts were taken in: the number of the next one.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Whether nothing was found yet, so that it is worth to go on.
    pub fn goes_on(&self) -> bool {
        self.first_bad.is_none()
    }

    /// Takes in the next fact.
    pub fn fact(&mut self, fact: &StoredEntry) {
        self.compare_heads();
        if !self.goes_on() {
            return;
        }
        let seq = self.size();
        if fact.seq != seq {
            let what = if fact.seq > seq {
                What::Missing { next: fact.seq }
            } else {
                What::OutOfPlace { found: fact.seq }
            };
            self.bad(Place::Fact(seq), what);
            return;
        }
        let leaf = merkle::leaf(&fact.body);
        if self.suspect.is_none() {
            if leaf != fact.leaf {
                self.suspect = Some(Suspect { seq, with_bodies: self.tree.clone() });
            } else if let Some(what) = self.misnumbered(fact) {
                self.bad(Place::Fact(seq), what);
                return;
            } else {
                self.facts += 1;
            }
        }
        if let Some(suspect) = &mut self.suspect {
            suspect.with_bodies.push(leaf);
        }
        self.tree.push(fact.leaf);
        self.compare_heads();
    }

    fn misnumbered(&self, fact: &StoredEntry) -> Option<What> {
        match (self.seq_of)(&fact.body) {
            Some(says) if says == fact.seq => None,
            Some(says) => Some(What::OtherNumber { says }),
            None => Some(What::NoNumber),
        }
    }

    /// The next fact is there, but cannot be read.
    pub fn unreadable(&mut self, problem: &dyn Error) {
        let mut text = problem.to_string();
        let mut cause = problem.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        self.bad(Place::Fact(self.size()), What::Unreadable { problem: text });
    }

    /// There are further facts, but no head covers them.
    pub fn unsigned(&mut self) {
        self.compare_heads();
        self.bad(Place::Fact(self.size()), What::Unsigned);
    }

    /// The last line of an export: the head over all of its facts.
    pub fn last(&mut self, head: &SignedHead) {
        if head.head.size < self.size() {
            self.bad(Place::Fact(head.head.size), What::Unsigned);
        } else {
            self.stored(head);
        }
    }

    /// Says what was found. Heads of more facts than were taken in show that the end is missing.
    pub fn finish(mut self) -> Report {
        self.compare_heads();
        let seq = self.size();
        let stored = self.ahead.values().flat_map(|ahead| &ahead.stored);
        let newest = stored.filter_map(|head| head.as_ref().ok()).map(|head| head.size).max();
        let outside = self
            .ahead
            .iter()
            .filter(|(_, ahead)| !ahead.outside.is_empty())
            .map(|(size, _)| *size)
            .max();
        let unsound = self
            .ahead
            .iter()
            .find_map(|(size, ahead)| Some((*size, ahead.stored.first()?.clone().err()?)));
        if let Some(size) = newest {
            self.bad(Place::Fact(seq), What::TailCut { size });
        } else if let Some(size) = outside {
            self.bad(Place::Fact(seq), What::ShorterThanOutside { size });
        } else if let Some((size, problem)) = unsound {
            self.bad(Place::Head(size), What::Head(problem));
        } else if let Some(suspect) = &self.suspect {
            let place = Place::Fact(suspect.seq);
            self.bad(place, What::Changed);
        }
        Report {
            facts: self.facts,
            heads: self.heads,
            outside_heads: self.outside_heads,
            head: self.head,
            first_bad: self.first_bad,
            snapshots: 0,
            damaged_snapshots: Vec::new(),
        }
    }

    /// Compares with the heads over exactly the facts that were taken in.
    fn compare_heads(&mut self) {
        let size = self.size();
        let Some(Ahead { stored, outside }) = self.ahead.remove(&size) else {
            return;
        };
        for head in stored {
            match head {
                Ok(head) => self.compare_stored(head),
                Err(problem) => self.bad(Place::Head(size), What::Head(problem)),
            }
        }
        for root in outside {
            self.compare_outside(root);
        }
    }

    fn compare_stored(&mut self, head: Head) {
        let size = self.size();
        let from = self.head.map_or(0, |head| head.size);
        if self.decide_suspect(&head.root) {
            return;
        }
        if self.tree.root() == head.root {
            self.heads += 1;
            self.head = Some(head);
        } else {
            self.bad(Place::Facts(from, size.saturating_sub(1)), What::Rewritten { size });
        }
    }

    fn compare_outside(&mut self, root: Hash) {
        let size = self.size();
        if self.decide_suspect(&root) {
            return;
        }
        if self.tree.root() == root {
            self.outside_heads += 1;
            self.outside_held = size;
        } else {
            self.bad(
                Place::Facts(self.outside_held, size.saturating_sub(1)),
                What::HistoryRewritten { size },
            );
        }
    }

    /// Says which part of a suspect was changed, if there is one.
    fn decide_suspect(&mut self, root: &Hash) -> bool {
        let Some(suspect) = &self.suspect else {
            return false;
        };
        let place = Place::Fact(suspect.seq);
        let what = if self.tree.root() == *root {
            What::BodyChanged
        } else if suspect.with_bodies.root() == *root {
            What::LeafChanged
        } else {
            What::Changed
        };
        self.suspect = None;
        self.bad(place, what);
        true
    }

    /// Notes what is wrong, unless something before it is: a suspect, or what was noted already.
    fn bad(&mut self, place: Place, what: What) {
        let found = match &self.suspect {
            Some(suspect) => FirstBad { place: Place::Fact(suspect.seq), what: What::Changed },
            None => FirstBad { place, what },
        };
        self.first_bad.get_or_insert(found);
    }
}
