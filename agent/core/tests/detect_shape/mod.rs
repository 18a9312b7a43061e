//! Which layouts of memory look like mining, and which are those of honest programs.

use crate::detect_support::at;
use repower_agent_core::detect::{Area, Detector, Response, Rule, Sample, Settings};

/// What `/proc/PID/maps` has of a program: KiB of each anonymous area, those with an `x` of code.
fn areas(words: &str) -> Vec<Area> {
    let words = words.split_ascii_whitespace();
    let area = |word: &str| {
        let kib: u64 = word.trim_end_matches('x').parse().expect("a number");
        Area { bytes: kib << 10, is_anonymous: true, is_executable: word.ends_with('x') }
    };
    words.map(area).collect()
}

fn seen(layout: &str, looks: u64, declares_jit: bool) -> Response {
    let mut detector = Detector::new(Settings { declares_jit, ..Settings::default() });
    for n in 0..looks {
        let sample = Sample::Mappings { process: 7, areas: areas(layout) };
        detector.observe(&sample, at(n * 30_000));
    }
    assert!(detector.verdicts().all(|one| one.rule == Rule::MiningMappings));
    detector.response()
}

/// Measured: the reference library 1.2 in light mode on one thread, and on two that have a cache each.
const LIGHT: &str = "264200 76x 76x 132 2828";
const LIGHT_TWICE: &str = "524296 65404 2052 76x 2052 76x 2048 152x 8192";

#[test]
fn the_cache_with_scratchpads_and_code_of_the_library_holds() {
    assert_eq!(seen(LIGHT, 1, false), Response::None, "one look is not enough");
    assert_eq!(seen(LIGHT, 2, false), Response::Hold);
    assert_eq!(seen(LIGHT_TWICE, 2, false), Response::Hold);
    assert_eq!(seen("262144 2048 152x", 2, false), Response::Hold, "in huge pages");
    assert_eq!(seen(LIGHT, 2, true), Response::None, "the class declares generated code");
}

#[test]
fn the_dataset_beside_any_generated_code_holds() {
    // In huge pages, by an allocator, and merged with two scratchpads.
    for layout in ["2129920 262144 16384 256x", "2129924 262148 76x 76x", "2134028 128x"] {
        assert_eq!(seen(layout, 2, false), Response::Hold, "{layout}");
    }
    assert_eq!(seen("2129920 262144 2048", 2, false), Response::None, "nothing is generated");
}

#[test]
fn honest_programs_that_generate_code_do_not_look_like_it() {
    let honest = [
        // Measured: a virtual machine for Java with a heap of 256 MiB.
        "262144 3072 3616 2652 2060 32768 4096 2496x 2496x 2496x 2056 2092",
        // Measured: one for JavaScript with arrays of 2^25 and 2^18 doubles, which are as large as cache and scratchpad.
        "264200 2828 240x 8192 8192",
        // The same sizes beside kernels of a numerical library, one of which has just the size of the miner's.
        "262148 2052 76x 4x 16x",
        "262148 2052 76x",
        // Arrays of 2^25 doubles and nothing else that fits.
        "262148 152x",
        // Not a whole number of blocks: large arrays near to the dataset.
        "2130960 76x 76x",
        "2200000 128x",
        "4259840 128x",
    ];
    for layout in honest {
        assert_eq!(seen(layout, 9, false), Response::None, "{layout}");
    }
}
