//! Thousands of random and mutated inputs for each parser, from fixed seeds: nothing panics, nothing
//! takes long. `make fuzz` looks further, with the same functions.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/dice.rs"]
#[expect(unreachable_pub, reason = "shared with the tests of clusters")]
mod dice;
#[path = "support/parsers.rs"]
mod parsers;

use std::collections::BTreeSet;

use dice::Dice;
use parsers::seeds;

/// Inputs for each parser.
const INPUTS: u64 = 20_000;
/// Where a signature is checked, which takes a millisecond without the optimiser.
const SIGNED: u64 = INPUTS / 10;
/// The longest of them, in bytes: errors are found in short ones, and long ones take time.
const LONGEST: usize = 4096;

/// One change of the kind that editors, disks and attackers make.
fn mutate(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.place(bytes.len());
    let length = 1 + dice.place(16);
    let end = (at + length).min(bytes.len());
    match dice.below(7) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
        1 if !bytes.is_empty() => bytes[at] = any_byte(dice),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let again = bytes[at..end].to_vec();
            drop(bytes.splice(at..at, again));
        }
        4 => bytes.truncate(at),
        5 => {
            let from = dice.place(other.len());
            let to = (from + length).min(other.len());
            drop(bytes.splice(at..end, other[from..to].iter().copied()));
        }
        _ => bytes.insert(at, any_byte(dice)),
    }
}

fn any_byte(dice: &mut Dice) -> u8 {
    const TELLING: &[u8] = b"\0\n\t \"'#-+.,:=%[]{}\\09aZ\x7f\x80\xff";
    if dice.below(2) == 0 {
        TELLING[dice.place(TELLING.len())]
    } else {
        u8::try_from(dice.below(256)).expect("below 256")
    }
}

/// Gives a parser what it knows, changed here and there, and every tenth time mere noise; for as many
/// rounds as the environment says, each from a seed of its own.
fn throw<S: AsRef<[u8]>>(inputs: u64, known: &[S], parser: fn(&[u8])) {
    for seed in known {
        parser(seed.as_ref());
    }
    let rounds = std::env::var_os("REPOWER_PARSER_ROUNDS");
    let rounds = rounds.map_or(1, |rounds| rounds.to_str().unwrap().parse().unwrap());
    for round in 0..rounds {
        throw_round(&mut Dice::new(2024 + round), inputs, known, parser);
    }
}

fn throw_round<S: AsRef<[u8]>>(dice: &mut Dice, inputs: u64, known: &[S], parser: fn(&[u8])) {
    for _ in 0..inputs {
        let mut bytes = Vec::new();
        if dice.below(10) == 0 {
            for _ in 0..dice.below(200) {
                bytes.push(any_byte(dice));
            }
        } else {
            bytes.extend(known[dice.place(known.len())].as_ref());
            for _ in 0..=dice.below(6) {
                let other = known[dice.place(known.len())].as_ref();
                mutate(&mut bytes, other, dice);
            }
        }
        bytes.truncate(LONGEST);
        parser(&bytes);
    }
}

/// What is nested so deep, or so long, that recursion or copying would show.
fn deep(parser: fn(&[u8])) {
    for piece in
        ["[", "{", "a.", "a=[", "\"", "#REPOWER --name x\n", "0,", "1-", "\n\n", "\x0a\x7f"]
    {
        parser(piece.repeat(50_000).as_bytes());
    }
}

#[test]
fn directives_of_a_script_never_panic() {
    throw(INPUTS, seeds::DIRECTIVES, parsers::directives);
    deep(parsers::directives);
}

#[test]
fn a_job_file_never_panics() {
    throw(INPUTS, seeds::JOB_FILES, parsers::job_file);
    deep(parsers::job_file);
}

#[test]
fn what_is_read_as_an_array_is_written_and_read_again_as_the_same() {
    throw(INPUTS, seeds::ARRAYS, parsers::arrays);
    deep(parsers::arrays);
}

#[test]
fn quantities_never_panic_and_are_never_nothing() {
    throw(INPUTS, seeds::QUANTITIES, parsers::quantities);
    deep(parsers::quantities);
}

#[test]
fn a_policy_that_is_read_lets_something_run() {
    throw(INPUTS, seeds::POLICIES, parsers::policy);
    deep(parsers::policy);
}

#[test]
fn what_is_read_as_a_fact_is_written_and_read_again_as_the_same() {
    throw(INPUTS, &seeds::facts(), parsers::fact);
    deep(parsers::fact);
}

#[test]
fn what_is_read_as_a_job_is_written_and_read_again_as_the_same() {
    throw(INPUTS, &seeds::specs(), parsers::job_spec);
    deep(parsers::job_spec);
}

#[test]
fn what_is_read_as_a_checkpoint_is_written_and_read_again_as_the_same() {
    throw(SIGNED, &seeds::notes(), parsers::note);
    deep(parsers::note);
}

#[test]
fn an_export_never_panics_and_has_no_more_facts_than_lines() {
    throw(SIGNED, &seeds::exports(), parsers::export);
    deep(parsers::export);
}

#[test]
fn profiles_and_join_files_never_panic() {
    throw(INPUTS, seeds::PROFILES, parsers::profile);
    deep(parsers::profile);
}

#[test]
fn a_trace_never_panics_and_every_record_is_taken_or_counted() {
    throw(INPUTS, seeds::TRACES, parsers::trace);
    deep(parsers::trace);
}

#[test]
fn every_parser_has_a_fuzz_target() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(root.join("fuzz/fuzz_targets")).unwrap();
    let stem = |path: std::path::PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    let targets: BTreeSet<String> = files.map(|file| stem(file.unwrap().path())).collect();

    let source = include_str!("support/parsers.rs");
    let functions = source.lines().filter(|line| line.ends_with("(bytes: &[u8]) {"));
    let name =
        |line: &str| line.strip_prefix("pub(crate) fn ")?.split('(').next().map(str::to_owned);
    let parsers: BTreeSet<String> = functions.filter_map(name).collect();

    assert_eq!(targets, parsers);
}
