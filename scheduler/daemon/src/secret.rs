//! Secrets of tokens: made here, shown once, kept as hashes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use repower_model::Hash;
use sha2::{Digest, Sha256};

/// What every secret begins with, so that people and scanners know it for one.
const PREFIX: &str = "rpw_";

/// A new secret: 32 random bytes in base64, after a prefix.
pub(crate) fn make() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// What is kept of a secret. It has 256 random bits, so one round of SHA-256 is enough.
pub(crate) fn hash(secret: &str) -> Hash {
    Hash(Sha256::digest(secret.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_differ_and_say_what_they_are() {
        let (one, other) = (make().unwrap(), make().unwrap());

        assert!(one.starts_with("rpw_") && one.len() == 4 + 43);
        assert_ne!(hash(&one), hash(&other));
    }
}
