//! What a process says about how far it is, line by line. Pure: somebody else reads the bytes.
//!
//! The latest line counts. A line that is none is counted, and what was wrong with it is kept; it is
//! never an error of the task. However much comes, no more is held than one line.

use repower_model::{Claim, ClaimError, Progress, Timestamp};

/// What a process says about how far it is.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    progress: Option<Progress>,
    /// The beginning of a line of which the end has not come.
    line: Vec<u8>,
    /// Whether what comes up to the next end of a line is left out.
    skips: bool,
    changes: u64,
}

impl Claims {
    /// All that was said so far; `None`: nothing was.
    pub fn progress(&self) -> Option<&Progress> {
        self.progress.as_ref()
    }

    /// How often the claim was another than the one before, at the ends of reads: so often it says that it got
    /// further since it started. Saying the same again does not count.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Whether a line has begun of which the end has not come.
    pub fn has_rest(&self) -> bool {
        !self.line.is_empty()
    }

    /// Takes in what was said next.
    pub fn read(&mut self, bytes: &[u8], now: Timestamp) {
        let before = self.progress.as_ref().and_then(|progress| progress.claim.clone());
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        // To split gives one piece at least.
        let rest = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            self.add(piece);
            self.end_line(now);
        }
        self.add(rest);
        self.note_change(before.as_ref(), now);
    }

    /// Nothing more has come for a while, or nothing more will: a line without an end is one, too.
    pub fn settle(&mut self, now: Timestamp) {
        if self.has_rest() {
            let before = self.progress.as_ref().and_then(|progress| progress.claim.clone());
            self.end_line(now);
            self.note_change(before.as_ref(), now);
        }
    }

    /// Something was left out, because too much came at once: what comes next begins in the middle of a line.
    pub fn gap(&mut self) {
        self.line.clear();
        self.skips = true;
    }

    /// What was to be read cannot be, which counts as a line that is none.
    pub fn mistaken(&mut self, mistake: String, now: Timestamp) {
        let progress = self.known(now);
        progress.lines += 1;
        progress.bad_lines += 1;
        progress.mistake = mistake;
    }

    /// What was said before was taken back: what comes next begins with a line.
    pub fn anew(&mut self) {
        self.line.clear();
        self.skips = false;
    }

    fn add(&mut self, piece: &[u8]) {
        if !self.skips {
            // One byte too many is enough to know that it is too long.
            let room = (Claim::LONGEST + 2).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    fn end_line(&mut self, now: Timestamp) {
        if std::mem::take(&mut self.skips) {
            return;
        }
        let line = std::mem::take(&mut self.line);
        let is_cut = line.len() > Claim::LONGEST + 1;
        let read = if is_cut { Err(ClaimError::Long) } else { Claim::read(line.trim_ascii()) };
        if read == Err(ClaimError::Empty) {
            return;
        }
        let progress = self.known(now);
        progress.lines += 1;
        progress.said = now;
        match read {
            Ok(claim) => progress.claim = Some(claim),
            Err(error) => {
                progress.bad_lines += 1;
                progress.mistake = error.to_string();
            }
        }
    }

    fn known(&mut self, now: Timestamp) -> &mut Progress {
        self.progress.get_or_insert_with(|| Progress {
            claim: None,
            said: now,
            changed: now,
            first: None,
            lines: 0,
            bad_lines: 0,
            mistake: String::new(),
        })
    }

    fn note_change(&mut self, before: Option<&Claim>, now: Timestamp) {
        let Some(progress) = &mut self.progress else { return };
        if progress.claim.as_ref() == before {
            return;
        }
        self.changes += 1;
        progress.changed = now;
        let done = progress.claim.as_ref().and_then(Claim::done);
        let was = before.and_then(Claim::done);
        match done {
            // It began anew, or now begins to say it.
            Some(done) if was.is_none_or(|was| done < was) || progress.first.is_none() => {
                progress.first = Some((done, now));
            }
            Some(_) => {}
            None => progress.first = None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use repower_model::Fraction;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    fn claim(claims: &Claims) -> String {
        let claim = claims.progress().and_then(|progress| progress.claim.as_ref());
        claim.map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn the_latest_line_counts_and_bad_ones_are_counted() {
        let mut claims = Claims::default();

        claims.read(b"0.1\n0.2 step=7\n\nso far so good\n", at(1000));

        let progress = claims.progress().unwrap().clone();
        assert_eq!(claim(&claims), "0.2 step=7");
        assert_eq!((progress.lines, progress.bad_lines), (3, 1));
        assert!(progress.mistake.starts_with("the word 1 is neither"), "{}", progress.mistake);
        assert_eq!((progress.said, progress.changed), (at(1000), at(1000)));
    }

    #[test]
    fn a_line_may_come_in_pieces_and_without_an_end() {
        let mut claims = Claims::default();

        claims.read(b"0.", at(0));
        assert_eq!(claims.progress(), None);
        claims.read(b"25", at(1));
        assert!(claims.has_rest());
        claims.settle(at(2));
        assert_eq!(claim(&claims), "0.25");

        claims.read(b"\n0.5\r\n", at(3));
        claims.settle(at(4));
        assert_eq!(claim(&claims), "0.5");
        assert_eq!(claims.progress().unwrap().bad_lines, 0);
    }

    #[test]
    fn saying_the_same_again_is_a_sign_of_life_and_no_change() {
        let mut claims = Claims::default();
        claims.read(b"step=1\n", at(0));
        claims.read(b"step=1\n", at(10));
        assert_eq!((claims.changes(), claims.progress().unwrap().changed), (1, at(0)));
        assert_eq!(claims.progress().unwrap().said, at(10));

        claims.read(b"step=2\n", at(20));

        assert_eq!((claims.changes(), claims.progress().unwrap().changed), (2, at(20)));
    }

    #[test]
    fn the_pace_is_measured_from_where_the_claims_began_to_grow() {
        let mut claims = Claims::default();
        let first = |claims: &Claims| claims.progress().unwrap().first;
        let half = Fraction::from_ppm(500_000).unwrap();

        claims.read(b"0.5\n", at(0));
        claims.read(b"0.75\n", at(10));
        assert_eq!(first(&claims), Some((half, at(0))));
        assert_eq!(claims.progress().unwrap().expected_end(), Some(at(20)));

        // The next of its rounds.
        claims.read(b"0\n", at(30));
        assert_eq!(first(&claims), Some((Fraction::from_ppm(0).unwrap(), at(30))));
        claims.read(b"step=7\n", at(40));
        assert_eq!(first(&claims), None);
    }

    #[test]
    fn after_what_was_left_out_the_piece_of_a_line_is_not_read() {
        let mut claims = Claims::default();
        claims.read(b"0.1\n0.", at(0));

        claims.gap();
        claims.read(b"9\n0.2\n", at(1));

        assert_eq!(claim(&claims), "0.2");
        assert_eq!(claims.progress().unwrap().bad_lines, 0);
        claims.read(b"0.", at(2));
        claims.anew();
        claims.read(b"0.3\n", at(2));
        assert_eq!(claim(&claims), "0.3");
    }

    #[test]
    fn a_line_without_end_is_one_bad_line_and_is_not_held() {
        let mut claims = Claims::default();

        for _ in 0..1000 {
            claims.read(&[b'0'; 4096], at(0));
        }
        assert!(claims.line.len() <= Claim::LONGEST + 2);
        claims.read(b"\n0.5\n", at(1));

        let progress = claims.progress().unwrap();
        assert_eq!((claim(&claims).as_str(), progress.bad_lines), ("0.5", 1));
        assert_eq!(progress.mistake, "it is longer than 128 bytes");
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_and_a_claim_that_may_be(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b' '), Just(b'.'), Just(b'='), Just(b'%'), b'0'..=b'9', any::<u8>()],
                0..600,
            ),
            cuts in proptest::collection::vec(0_usize..600, 0..8),
        ) {
            let mut whole = Claims::default();
            whole.read(&bytes, at(0));
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();

            let mut pieces = Claims::default();
            for pair in cuts.windows(2) {
                pieces.read(&bytes[pair[0]..pair[1]], at(0));
            }

            let told = |claims: &Claims| {
                claims.progress().map(|one| (one.claim.clone(), one.lines, one.bad_lines, one.mistake.clone()))
            };
            prop_assert_eq!(told(&whole), told(&pieces));
            if let Some(claim) = whole.progress().and_then(|one| one.claim.as_ref()) {
                prop_assert!(claim.done().is_none_or(|done| done <= Fraction::ALL));
                prop_assert!(claim.count.as_ref().is_none_or(|count| count.check().is_ok()));
                let text = claim.to_string();
                prop_assert_eq!(Claim::read(text.as_bytes()), Ok(claim.clone()));
            }
        }
    }
}
