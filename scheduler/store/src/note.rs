//! Signed notes: text with lines of Ed25519 signatures below, as in <https://c2sp.org/signed-note>.
//!
//! Public tools (`golang.org/x/mod/sumdb/note`, witnesses, `sigsum`) read and write the same bytes. What the text says
//! is not looked at here; see [`crate::checkpoint`].

mod key;
mod keyfile;
#[cfg(test)]
mod vectors;

pub(crate) use key::is_name;
pub use key::{KeyError, SignerKey, VerifierKey};
pub use keyfile::{KeyFileError, load, load_or_make, publish};

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The longest note that is read: heads are far below a kilobyte, and a note from outside must not fill the memory.
pub const LENGTH_LIMIT: usize = 64 * 1024;
/// The most signature lines that are read, as in the Go implementation.
pub const SIGNATURE_LIMIT: usize = 100;

/// A signature line of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Whose it says it is.
    pub name: String,
    /// The first four bytes of the hash of name and key, so that a verifier finds its line.
    pub key_hash: [u8; 4],
    /// The signature proper; 64 bytes if it is of Ed25519.
    pub bytes: Vec<u8>,
}

/// A note that was taken apart; its signatures are not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// Text that is not a signed note, or not signed by the key that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It is longer than a note may be.
    #[error("a note has at most {LENGTH_LIMIT} bytes, this has {bytes}")]
    TooLong {
        /// How many it has.
        bytes: usize,
    },
    /// The text does not end with a newline, or has control characters in it.
    #[error("the text of a note ends with a newline and has no control characters")]
    Text,
    /// There is no blank line with signatures below.
    #[error("a note ends with a blank line and at least one signature line")]
    Unsigned,
    /// A signature line is not `— name base64`.
    #[error("signature line {line} is not of the form `— name base64`")]
    SignatureLine {
        /// Which one, counted from 1.
        line: usize,
    },
    /// There are too many signature lines.
    #[error("a note has at most {SIGNATURE_LIMIT} signature lines, this has {lines}")]
    TooManySignatures {
        /// How many it has.
        lines: usize,
    },
    /// None of the signatures is by this key.
    #[error("the note is not signed by {name}+{key_hash}")]
    OtherKey {
        /// The name of the key that was asked for.
        name: String,
        /// Its hash, in hex.
        key_hash: String,
    },
    /// The signature of this key does not fit the text: one of them was changed.
    #[error("the signature of {name}+{key_hash} does not fit the text of the note")]
    Forged {
        /// The name of the key.
        name: String,
        /// Its hash, in hex.
        key_hash: String,
    },
}

impl Note {
    /// Takes a note apart; strict, so that one note has one reading.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        if note.len() > LENGTH_LIMIT {
            return Err(NoteError::TooLong { bytes: note.len() });
        }
        if note.chars().any(|c| c < ' ' && c != '\n') {
            return Err(NoteError::Text);
        }
        let end = note.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        let (text, rest) = note.split_at(end + 1);
        let lines = rest[1..].strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let count = lines.split('\n').count();
        if count > SIGNATURE_LIMIT {
            return Err(NoteError::TooManySignatures { lines: count });
        }
        let signatures = lines
            .split('\n')
            .zip(1..)
            .map(|(text, line)| Signature::parse(text).ok_or(NoteError::SignatureLine { line }))
            .collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, with its last newline: the bytes that are signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order; at least one.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Checks that `key` signed the text. Lines by other keys are passed over.
    pub fn verify(&self, key: &VerifierKey) -> Result<(), NoteError> {
        let mut found = false;
        for line in
            self.signatures.iter().filter(|s| s.name == key.name() && s.key_hash == key.hash())
        {
            found = true;
            if key.verifies(self.text.as_bytes(), &line.bytes) {
                return Ok(());
            }
        }
        let (name, key_hash) = (key.name().to_owned(), key.hash_hex());
        Err(if found {
            NoteError::Forged { name, key_hash }
        } else {
            NoteError::OtherKey { name, key_hash }
        })
    }
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, base64) = line.strip_prefix("— ")?.split_once(' ')?;
        if !is_name(name) {
            return None;
        }
        let bytes = STANDARD.decode(base64).ok()?;
        let (key_hash, bytes) = bytes.split_first_chunk::<4>()?;
        if bytes.is_empty() {
            return None;
        }
        Some(Self { name: name.to_owned(), key_hash: *key_hash, bytes: bytes.to_vec() })
    }
}

/// Signs a text and returns the note.
///
/// # Errors
///
/// [`NoteError::Text`] if the text does not end with a newline or has control characters.
pub fn sign(text: &str, key: &SignerKey) -> Result<String, NoteError> {
    if !text.ends_with('\n') || text.chars().any(|c| c < ' ' && c != '\n') {
        return Err(NoteError::Text);
    }
    let mut bytes = key.verifier().hash().to_vec();
    bytes.extend_from_slice(&key.sign(text.as_bytes()));
    Ok(format!("{text}\n— {} {}\n", key.verifier().name(), STANDARD.encode(bytes)))
}
