//! SHA-256.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use repower_model::Hash;
use ring::digest::{Context, SHA256};

use crate::{Fault, PIECE};

/// The SHA-256 of bytes as they come.
#[derive(Clone)]
pub struct Hasher(Context);

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hasher")
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Hasher {
    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Hash {
        let mut hash = Hash([0; 32]);
        hash.0.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// Reads 64 hexadecimal digits, small or capital.
pub fn parse_digest(text: &str) -> Option<Hash> {
    Hash::from_hex(text)
}

/// The digest of a file from where it is read, and how many bytes that was.
pub fn hash_file(file: &mut File, path: &Path) -> Result<(Hash, u64), Fault> {
    let (mut hasher, mut piece, mut bytes) = (Hasher::default(), vec![0; PIECE], 0);
    loop {
        let read = file.read(&mut piece).map_err(Fault::io("read", path))?;
        if read == 0 {
            return Ok((hasher.finish(), bytes));
        }
        hasher.update(&piece[..read]);
        bytes += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_back_and_nothing_else_is_read() {
        let hash = Hasher::default().finish();
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

        assert_eq!(hash.to_string(), text);
        assert_eq!(parse_digest(&text.to_uppercase()), Some(hash));
        for wrong in ["", &text[1..], &format!("{text}0"), &text.replace('e', "g")] {
            assert_eq!(parse_digest(wrong), None, "{wrong}");
        }
    }
}
