//! Honest work with hashes and integers.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest as _, Sha256};

use super::Step;

/// A checksum of a mebibyte.
pub(super) fn sha256() -> Step {
    let mut data = vec![7_u8; 1 << 20];
    Box::new(move || {
        let digest = Sha256::digest(&data);
        data[..32].copy_from_slice(&digest);
        f64::from(digest[0])
    })
}

/// A key derived from a password with 16 MiB.
pub(super) fn argon2() -> Step {
    let params = Params::new(16 << 10, 2, 1, Some(32)).expect("the usual parameters are allowed");
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut memory = vec![Block::default(); 16 << 10];
    let mut key = [7_u8; 32];
    Box::new(move || {
        let password = key;
        let done = hasher.hash_password_into_with_memory(
            &password,
            b"a salt for all",
            &mut key,
            &mut memory,
        );
        f64::from(key[0]) + f64::from(u8::from(done.is_ok()))
    })
}

/// A congruential generator with Knuth's multiplier.
pub(super) fn integers() -> Step {
    let mut state = 1_u64;
    Box::new(move || {
        for _ in 0..100_000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
        }
        (state >> 40) as f64
    })
}
