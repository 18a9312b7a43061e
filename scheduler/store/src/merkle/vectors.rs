//! The tree of eight leaves that the tests of Certificate Transparency use, and every small tree against RFC 6962.

use proptest::prelude::*;

use super::*;
use crate::hex;

/// The leaves of the reference tests of github.com/google/certificate-transparency.
const LEAVES: [&[u8]; 8] = [
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
];

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn leaves(n: usize) -> Vec<Hash> {
    LEAVES[..n].iter().map(|body| leaf(body)).collect()
}

fn numbered(n: u64) -> Vec<Hash> {
    (0..n).map(|n| leaf(&n.to_be_bytes())).collect()
}

/// A place in a vector.
fn at(number: u64) -> usize {
    usize::try_from(number).unwrap()
}

fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| hex::of(hash)).collect()
}

/// The definition of RFC 6962 section 2.1, word for word.
fn defined_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let k = 1 << (leaves.len() - 1).ilog2();
            node(&defined_root(&leaves[..k]), &defined_root(&leaves[k..]))
        }
    }
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    assert_eq!(hex::of(&empty_root()), EMPTY);
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), empty_root());
    for (body, expected) in LEAVES.iter().zip(ROOTS) {
        frontier.push(leaf(body));
        assert_eq!(hex::of(&frontier.root()), expected);
    }
}

#[test]
fn audit_paths_are_those_of_certificate_transparency() {
    let path = |index, size| hexes(&inclusion(&leaves(size), index).unwrap());

    assert_eq!(path(0, 1), [""; 0]);
    assert_eq!(
        path(0, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        path(5, 8),
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(path(2, 3), ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]);
}

#[test]
fn consistency_proofs_are_those_of_certificate_transparency() {
    let proof = |old, new| hexes(&consistency(&leaves(new), old).unwrap());

    assert_eq!(proof(1, 1), [""; 0]);
    assert_eq!(
        proof(1, 8),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    assert_eq!(
        proof(6, 8),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
    assert_eq!(
        proof(2, 5),
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ]
    );
}

#[test]
fn every_proof_of_every_tree_up_to_64_leaves_holds_and_only_for_what_it_proves() {
    let all = numbered(64);
    for new in 1..=64_u64 {
        let leaves = &all[..at(new)];
        let new_root = defined_root(leaves);
        assert_eq!(root(leaves), new_root);
        for index in 0..new {
            let path = inclusion(leaves, index).unwrap();
            verify_inclusion(&leaves[at(index)], index, new, &path, &new_root).unwrap();
            verify_inclusion(&leaf(b"other"), index, new, &path, &new_root).unwrap_err();
            let other = (index + 1) % new;
            if other != index {
                verify_inclusion(&leaves[at(index)], other, new, &path, &new_root).unwrap_err();
            }
        }
        for old in 0..=new {
            let old_root = defined_root(&all[..at(old)]);
            let proof = consistency(leaves, old).unwrap();
            verify_consistency((old, &old_root), (new, &new_root), &proof).unwrap();
            verify_consistency((old, &leaf(b"other")), (new, &new_root), &proof).unwrap_err();
            if old > 0 {
                verify_consistency((old, &old_root), (new, &leaf(b"other")), &proof).unwrap_err();
            }
        }
        inclusion(leaves, new).unwrap_err();
        consistency(leaves, new + 1).unwrap_err();
    }
}

#[test]
fn a_proof_that_is_too_long_too_short_or_changed_is_refused() {
    let leaves = numbered(21);
    let (old, new) = (root(&leaves[..13]), root(&leaves));
    let path = inclusion(&leaves, 13).unwrap();
    let proof = consistency(&leaves, 13).unwrap();
    let longer = |hashes: &[Hash]| [hashes, &[[0; 32]]].concat();

    for wrong in [longer(&path), path[1..].to_vec(), path[..path.len() - 1].to_vec(), vec![]] {
        let error = verify_inclusion(&leaves[13], 13, 21, &wrong, &new).unwrap_err();
        assert!(matches!(error, ProofError::Length { size: 21, .. }), "{error}");
    }
    for wrong in [longer(&proof), proof[1..].to_vec(), proof[..proof.len() - 1].to_vec(), vec![]] {
        let error = verify_consistency((13, &old), (21, &new), &wrong).unwrap_err();
        assert!(matches!(error, ProofError::Length { size: 21, .. }), "{error}");
    }
    for place in 0..proof.len() {
        let mut wrong = proof.clone();
        wrong[place][7] ^= 1;
        verify_consistency((13, &old), (21, &new), &wrong).unwrap_err();
    }
    let error = verify_consistency((22, &old), (21, &new), &[]).unwrap_err();
    assert_eq!(error, ProofError::Backwards { old: 22, new: 21 });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn proofs_hold_for_trees_of_any_size(new in 1_u64..2000, a in 0_u64..2000, b in 0_u64..2000) {
        let (old, index) = (a % (new + 1), b % new);
        let leaves = numbered(new);
        let new_root = root(&leaves);
        let old_root = root(&leaves[..at(old)]);

        let proof = consistency(&leaves, old).unwrap();
        prop_assert_eq!(verify_consistency((old, &old_root), (new, &new_root), &proof), Ok(()));
        let path = inclusion(&leaves, index).unwrap();
        prop_assert_eq!(verify_inclusion(&leaves[at(index)], index, new, &path, &new_root), Ok(()));
    }

    #[test]
    fn a_rewritten_beginning_has_no_consistency_proof(new in 2_u64..500, a in 0_u64..500, b in 0_u64..500) {
        let old = 1 + a % new;
        let changed = at(b % old);
        let leaves = numbered(new);
        let mut forged = leaves.clone();
        forged[changed] = leaf(b"forged");
        let kept = root(&leaves[..at(old)]);

        let proof = consistency(&forged, old).unwrap();
        prop_assert!(verify_consistency((old, &kept), (new, &root(&forged)), &proof).is_err());
    }
}
