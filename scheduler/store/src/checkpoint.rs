//! Tree heads as text: the checkpoint format of <https://c2sp.org/tlog-checkpoint>.
//!
//! ```text
//! repower.example/cell-a
//! 4096
//! CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//!
//! — repower.example/cell-a Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
//! ```

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::merkle::Hash;
use crate::note::{self, Note, NoteError, SignerKey, VerifierKey};

/// What a head says: how many facts the ledger of a cell has, and the root of their tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the ledger: its cell, such as `repower.example/cell-a`.
    pub origin: String,
    /// How many facts it has.
    pub size: u64,
    /// The root of the tree over them.
    pub root: Hash,
    /// Further lines, opaque here.
    pub extensions: Vec<String>,
}

/// Text that is not a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// It is not a signed note, or its signature does not hold.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The first line is empty or missing.
    #[error("line 1 of a checkpoint names its origin, here it is empty")]
    Origin,
    /// The second line is not a plain decimal number.
    #[error("line 2 of a checkpoint is the size of the tree, here it is `{line}`")]
    Size {
        /// The line.
        line: String,
    },
    /// The third line is not the base64 of 32 bytes.
    #[error("line 3 of a checkpoint is the base64 of a root of 32 bytes, here it is `{line}`")]
    Root {
        /// The line.
        line: String,
    },
    /// A line after the third is empty.
    #[error("line {line} of the checkpoint is empty")]
    Extension {
        /// Which one, counted from 1.
        line: usize,
    },
    /// The head is of another ledger.
    #[error("the head is of {found}, not of {expected}")]
    OtherOrigin {
        /// The origin in the head.
        found: String,
        /// The name of the key it was checked with.
        expected: String,
    },
}

impl Checkpoint {
    /// Returns the text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Returns the signed note.
    ///
    /// # Errors
    ///
    /// Those of [`parse_text`](Self::parse_text), if the fields hold what a checkpoint cannot say.
    pub fn sign(&self, key: &SignerKey) -> Result<String, CheckpointError> {
        let text = self.text();
        Self::parse_text(&text)?;
        Ok(note::sign(&text, key)?)
    }

    /// Reads the text of a note; strict, so that one text has one reading.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(NoteError::Text)?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Origin)?;
        let line = lines.next().unwrap_or_default();
        let size = decimal(line).ok_or_else(|| CheckpointError::Size { line: line.to_owned() })?;
        let line = lines.next().unwrap_or_default();
        let bytes = STANDARD.decode(line).ok().and_then(|bytes| Hash::try_from(bytes).ok());
        let root = bytes.ok_or_else(|| CheckpointError::Root { line: line.to_owned() })?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if let Some(empty) = extensions.iter().position(String::is_empty) {
            return Err(CheckpointError::Extension { line: empty + 4 });
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// Reads a signed note without checking its signatures.
    pub fn parse(note: &str) -> Result<Self, CheckpointError> {
        Self::parse_text(Note::parse(note)?.text())
    }

    /// Reads a signed note of the ledger that `key` belongs to, and checks that it signed it.
    ///
    /// # Errors
    ///
    /// Besides malformed text: a signature that is missing or does not hold, and the head of another ledger.
    pub fn open(note: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        note.verify(key)?;
        let checkpoint = Self::parse_text(note.text())?;
        if checkpoint.origin != key.name() {
            let (found, expected) = (checkpoint.origin, key.name().to_owned());
            return Err(CheckpointError::OtherOrigin { found, expected });
        }
        Ok(checkpoint)
    }
}

/// Reads digits without sign or leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Checkpoint {
        Checkpoint {
            origin: "repower.example/a".to_owned(),
            size: 42,
            root: [7; 32],
            extensions: vec![],
        }
    }

    fn key() -> SignerKey {
        SignerKey::from_seed("repower.example/a", [3; 32]).unwrap()
    }

    #[test]
    fn a_signed_head_is_read_back_as_it_was() {
        let head = Checkpoint { extensions: vec!["note".to_owned(), "more".to_owned()], ..head() };
        let note = head.sign(&key()).unwrap();

        assert!(note.starts_with(
            "repower.example/a\n42\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=\nnote\nmore\n\n— "
        ));
        assert_eq!(Checkpoint::open(&note, key().verifier()), Ok(head));
    }

    #[test]
    fn a_head_with_another_size_does_not_verify() {
        let note = head().sign(&key()).unwrap().replace("\n42\n", "\n43\n");

        let error = Checkpoint::open(&note, key().verifier()).unwrap_err();

        assert!(matches!(error, CheckpointError::Note(NoteError::Forged { .. })), "{error}");
    }

    #[test]
    fn the_head_of_another_ledger_is_refused_although_the_key_signed_it() {
        let other = Checkpoint { origin: "elsewhere".to_owned(), ..head() };
        let note = other.sign(&key()).unwrap();

        let error = Checkpoint::open(&note, key().verifier()).unwrap_err();

        assert!(matches!(error, CheckpointError::OtherOrigin { .. }), "{error}");
    }

    #[test]
    fn only_one_spelling_of_a_head_is_accepted() {
        let text = head().text();
        let refused =
            |from: &str, to: &str| Checkpoint::parse_text(&text.replacen(from, to, 1)).unwrap_err();

        assert_eq!(refused("repower.example/a", ""), CheckpointError::Origin);
        for size in ["042", "+42", "-1", "", "4 2", "99999999999999999999"] {
            assert_eq!(refused("42", size), CheckpointError::Size { line: size.to_owned() });
        }
        assert!(matches!(refused("Bwc=", "Bw=="), CheckpointError::Root { .. }));
        assert!(
            matches!(refused("Bwc=", "Bwd="), CheckpointError::Root { .. }),
            "spare bits must be zero"
        );
        assert_eq!(refused("Bwc=\n", "Bwc=\n\nx\n"), CheckpointError::Extension { line: 4 });
        assert_eq!(refused("Bwc=\n", "Bwc="), CheckpointError::Note(NoteError::Text));
    }
}
