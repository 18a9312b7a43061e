//! What the scanner finds, and that it does not find itself.

use std::sync::LazyLock;

use proptest::prelude::*;
use repower_patterns::{Hits, Patterns};

/// Constants of dataset items as the specification prints them, section 7.3, each plus one: so this
/// file's own program does not hold them.
const PLUS_ONE: [u64; 4] = [
    9_298_411_001_130_361_341,
    12_065_312_585_734_608_967,
    9_306_329_213_124_626_781,
    5_281_919_268_842_080_867,
];

/// Made once: that takes longer than any test here.
static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::new);

fn constants() -> Vec<[u8; 8]> {
    let one = std::hint::black_box(1);
    PLUS_ONE.iter().map(|constant| (constant - one).to_le_bytes()).collect()
}

fn words() -> Vec<String> {
    let first = std::hint::black_box("mining");
    ["subscribe", "submit", "notify"].iter().map(|second| format!("{first}.{second}")).collect()
}

#[test]
fn three_constants_are_a_proof_of_work_function_and_two_are_not() {
    let patterns = &*PATTERNS;
    let program = |count: usize| {
        let mut program = vec![0x90; 5000];
        for (index, constant) in constants().iter().take(count).enumerate() {
            program[index * 900 + 7..][..8].copy_from_slice(constant);
        }
        patterns.find(&program)
    };

    assert_eq!(program(2).constants(), 2);
    assert!(!program(2).is_proof_of_work());
    assert!(program(3).is_proof_of_work());
    assert!(!program(4).is_pool_client());
}

#[test]
fn the_same_constant_three_times_is_one() {
    let patterns = &*PATTERNS;

    let hits = patterns.find(&constants()[0].repeat(3));

    assert_eq!(hits.constants(), 1);
}

#[test]
fn two_words_are_a_client_of_a_pool() {
    let patterns = &*PATTERNS;
    let words = words();

    assert!(!patterns.find(words[0].as_bytes()).is_pool_client());
    assert!(patterns.find(words.join(" ").as_bytes()).is_pool_client());
}

#[test]
fn a_gap_in_the_stream_joins_nothing() {
    let patterns = &*PATTERNS;
    let constant = constants()[0];
    let mut scan = patterns.scan();

    scan.feed(&constant[..4]);
    scan.skip();
    scan.feed(&constant[4..]);

    assert_eq!(scan.hits(), Hits::default());
}

#[test]
fn the_scanner_does_not_find_itself() {
    let patterns = &*PATTERNS;
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();

    let hits = patterns.find(&program);

    assert!(hits.constants() <= 1 && hits.words() == 0, "{hits:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_of_any_size_give_what_the_whole_gives(
        noise in proptest::collection::vec(any::<u8>(), 0..600),
        cuts in proptest::collection::vec(0_usize..60, 1..200),
        places in proptest::collection::vec(0_usize..600, 7),
    ) {
        let patterns = &*PATTERNS;
        let mut stream = noise;
        let planted = constants().into_iter().map(|one| one.to_vec());
        let planted = planted.chain(words().into_iter().map(String::into_bytes));
        for (bytes, place) in planted.zip(places) {
            let place = place.min(stream.len());
            stream.splice(place..place, bytes);
        }
        let mut scan = patterns.scan();
        let mut rest = stream.as_slice();
        for cut in cuts.iter().cycle().take(4000) {
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            scan.feed(piece);
            rest = after;
        }
        scan.feed(rest);

        prop_assert_eq!(scan.hits(), patterns.find(&stream));
    }
}
