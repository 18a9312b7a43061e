//! Looks for the patterns in a stream of bytes, with memory that does not depend on its length.

use std::hint::black_box;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::encoded::{CONSTANTS, MASK, WORDS};

/// Which patterns were found, and the digest of the whole if it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hits {
    constants: u32,
    words: u32,
    /// SHA-256 of the file that was scanned, from whoever read it.
    pub digest: Option<[u8; 32]>,
}

impl Hits {
    /// Different constants that make a proof-of-work function.
    pub const CONSTANTS: u32 = 3;

    /// Of what was not scanned, with its digest.
    pub const fn of_digest(digest: [u8; 32]) -> Self {
        Self { constants: 0, words: 0, digest: Some(digest) }
    }

    /// Different words that make a client of a pool.
    pub const WORDS: u32 = 2;

    /// As recorded: how many, not which.
    pub fn of(constants: u32, words: u32) -> Self {
        let bits = |count: u32| 1_u32.checked_shl(count).map_or(u32::MAX, |bit| bit - 1);
        Self { constants: bits(constants), words: bits(words), digest: None }
    }

    /// How many different constants were found.
    pub fn constants(self) -> u32 {
        self.constants.count_ones()
    }

    /// How many different words were found.
    pub fn words(self) -> u32 {
        self.words.count_ones()
    }

    /// Whether it is a proof-of-work function.
    pub fn is_proof_of_work(self) -> bool {
        self.constants() >= Self::CONSTANTS
    }

    /// Whether it is a client of a pool.
    pub fn is_pool_client(self) -> bool {
        self.words() >= Self::WORDS
    }

    /// Both.
    pub fn add(&mut self, other: Self) {
        self.constants |= other.constants;
        self.words |= other.words;
        self.digest = self.digest.or(other.digest);
    }
}

/// The patterns, decoded and ready. Make it once: about a megabyte.
#[derive(Debug)]
pub struct Patterns {
    automaton: AhoCorasick,
    longest: usize,
}

impl Patterns {
    /// Decodes the patterns.
    ///
    /// # Panics
    ///
    /// Never: a few dozen short patterns make a small automaton.
    pub fn new() -> Self {
        // Through a black box: the compiler would store the decoded ones otherwise.
        let mask = black_box(MASK);
        let decode = |one: &&[u8]| one.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>();
        let all: Vec<Vec<u8>> = CONSTANTS.iter().chain(WORDS.iter()).map(decode).collect();
        let longest = all.iter().map(Vec::len).max().unwrap_or(0);
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&all)
            .expect("a few dozen short patterns make a small automaton");
        Self { automaton, longest }
    }

    /// A scan of one stream from its beginning.
    pub fn scan(&self) -> Scan<'_> {
        Scan { patterns: self, tail: Vec::with_capacity(2 * self.longest), hits: Hits::default() }
    }

    /// All at once.
    pub fn find(&self, bytes: &[u8]) -> Hits {
        let mut hits = Hits::default();
        for found in self.automaton.find_iter(bytes) {
            let index = found.pattern().as_usize();
            if let Some(word) = index.checked_sub(CONSTANTS.len()) {
                hits.words |= 1 << word;
            } else {
                hits.constants |= 1 << index;
            }
        }
        hits
    }
}

impl Default for Patterns {
    fn default() -> Self {
        Self::new()
    }
}

/// A scan of one stream, piece by piece. Patterns that lie across pieces are found.
#[derive(Debug)]
pub struct Scan<'a> {
    patterns: &'a Patterns,
    tail: Vec<u8>,
    hits: Hits,
}

impl Scan<'_> {
    /// Looks at the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        let overlap = self.patterns.longest - 1;
        let seam = self.tail.len();
        self.tail.extend_from_slice(&piece[..piece.len().min(overlap)]);
        if seam > 0 {
            self.hits.add(self.patterns.find(&self.tail));
        }
        self.hits.add(self.patterns.find(piece));
        if piece.len() >= overlap {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - overlap..]);
        } else {
            let keep = self.tail.len().saturating_sub(overlap);
            self.tail.drain(..keep);
        }
    }

    /// What the next piece is not connected with: a gap in the stream.
    pub fn skip(&mut self) {
        self.tail.clear();
    }

    /// What was found so far.
    pub fn hits(&self) -> Hits {
        self.hits
    }
}
