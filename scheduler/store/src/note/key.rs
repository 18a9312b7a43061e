//! Keys of signed notes and their text forms.

use std::fmt;
use std::str::FromStr;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::hex;

/// The byte that stands for Ed25519 in keys of signed notes.
const ED25519: u8 = 0x01;
const PRIVATE: &str = "PRIVATE+KEY+";

/// The public half: `name+hash+base64(0x01 || key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    hash: [u8; 4],
    key: VerifyingKey,
}

/// The private half: `PRIVATE+KEY+name+hash+base64(0x01 || seed)`.
#[derive(Clone)]
pub struct SignerKey {
    signing: SigningKey,
    verifier: VerifierKey,
}

/// Text that is not a key of a signed note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name is empty, or has white space or a plus sign in it.
    #[error("`{name}` cannot be the name of a key: it is empty, or has a space or a `+` in it")]
    Name {
        /// The name.
        name: String,
    },
    /// The text has not three parts separated by `+`, or no private key where one is expected.
    #[error(
        "a key has the form `name+hash+base64`, with `PRIVATE+KEY+` before it if it is private"
    )]
    Form,
    /// The last part is not the base64 of an algorithm byte and 32 bytes.
    #[error("the last part of the key of {name} is not the base64 of an Ed25519 key")]
    Bytes {
        /// The name in the first part.
        name: String,
    },
    /// The algorithm is none that is known here.
    #[error("the key of {name} is of algorithm {algorithm}, only {ED25519} (Ed25519) is known")]
    Algorithm {
        /// The name in the first part.
        name: String,
        /// The algorithm byte.
        algorithm: u8,
    },
    /// The hash is not that of the name and the key: one of the three was changed.
    #[error("the hash in the key of {name} should be {expected}")]
    Hash {
        /// The name in the first part.
        name: String,
        /// The hash that name and key give, in hex.
        expected: String,
    },
}

impl VerifierKey {
    fn new(name: &str, key: VerifyingKey) -> Self {
        let mut digest = Sha256::new();
        digest.update(name);
        digest.update([b'\n', ED25519]);
        digest.update(key.as_bytes());
        let [a, b, c, d, ..]: [u8; 32] = digest.finalize().into();
        Self { name: name.to_owned(), hash: [a, b, c, d], key }
    }

    /// The name of the key; for a ledger, the origin of its heads.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of `SHA-256(name || 0x0A || 0x01 || key)`.
    pub fn hash(&self) -> [u8; 4] {
        self.hash
    }

    /// The hash in hex, as in the text form.
    pub fn hash_hex(&self) -> String {
        hex::of(&self.hash)
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl SignerKey {
    /// Makes a key from 32 secret bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Name`] if the name is empty or has white space or `+` in it.
    pub fn from_seed(name: &str, seed: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name { name: name.to_owned() });
        }
        let signing = SigningKey::from_bytes(&seed);
        let verifier = VerifierKey::new(name, signing.verifying_key());
        Ok(Self { signing, verifier })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Returns the signature over `message`; the same bytes each time.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }

    /// Returns the text form, which is a secret: whoever has it can sign heads.
    pub fn to_secret_string(&self) -> String {
        format!("{PRIVATE}{}", text(&self.verifier, &self.signing.to_bytes()))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, hash, bytes) = parts(text)?;
        let bad = || KeyError::Bytes { name: name.to_owned() };
        let key = Self::new(name, VerifyingKey::from_bytes(&bytes).map_err(|_| bad())?);
        key.claims(hash)?;
        Ok(key)
    }
}

impl FromStr for SignerKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, hash, seed) = parts(text.strip_prefix(PRIVATE).ok_or(KeyError::Form)?)?;
        let key = Self::from_seed(name, seed)?;
        key.verifier.claims(hash)?;
        Ok(key)
    }
}

impl VerifierKey {
    fn claims(&self, hash: &str) -> Result<(), KeyError> {
        if hash == self.hash_hex() {
            return Ok(());
        }
        Err(KeyError::Hash { name: self.name.clone(), expected: self.hash_hex() })
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self, self.key.as_bytes()))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}, secret)", self.verifier)
    }
}

/// Whether a key may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.contains('+') && !name.chars().any(char::is_whitespace)
}

fn text(key: &VerifierKey, bytes: &[u8; 32]) -> String {
    let mut tagged = vec![ED25519];
    tagged.extend_from_slice(bytes);
    format!("{}+{}+{}", key.name, key.hash_hex(), STANDARD.encode(tagged))
}

/// Splits `name+hash+base64(algorithm || bytes)`. The base64 may have `+` in it, name and hash may not.
fn parts(text: &str) -> Result<(&str, &str, [u8; 32]), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(hash), Some(base64)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    if !is_name(name) {
        return Err(KeyError::Name { name: name.to_owned() });
    }
    let bad = || KeyError::Bytes { name: name.to_owned() };
    let bytes = STANDARD.decode(base64).map_err(|_| bad())?;
    let (algorithm, bytes) = bytes.split_first().ok_or_else(bad)?;
    if *algorithm != ED25519 {
        return Err(KeyError::Algorithm { name: name.to_owned(), algorithm: *algorithm });
    }
    Ok((name, hash, bytes.try_into().map_err(|_| bad())?))
}
