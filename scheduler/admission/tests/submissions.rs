//! A table of submissions, honest and not, in two languages, and what becomes of each: looked at by the
//! look that ships, decided by the engine that ships, under the built-in policy.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::io::{Cursor, Write as _};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use repower_admission::{Limits, files, is_program, of_input, texts};
use repower_core::effect::Answer;
use repower_core::engine::Engine;
use repower_core::fact::Fact;
use repower_core::input::{Input, Submit};
use repower_core::policy::{DEFAULT, Policy, hash_of};
use repower_model::{Hash, InputFile, JobSpec, Key, Mark, Sign, Source, Timestamp};
use repower_patterns::Patterns;

static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::new);
static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::parse(DEFAULT).unwrap());

/// The first constants of the function's dataset items as its specification prints them, each plus one.
const PLUS_ONE: [u64; 3] =
    [9_298_411_001_130_361_341, 12_065_312_585_734_608_967, 9_306_329_213_124_626_781];

fn constants(count: usize) -> Vec<u8> {
    let one = std::hint::black_box(1);
    PLUS_ONE.iter().take(count).flat_map(|constant| (constant - one).to_le_bytes()).collect()
}

fn words() -> Vec<u8> {
    let first = std::hint::black_box("mining");
    format!("\"{first}.subscribe\", \"{first}.submit\"").into_bytes()
}

fn elf(content: &[u8]) -> Vec<u8> {
    [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 400], content, &[0x90; 3000]].concat()
}

fn tar(name: &str, content: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, name, content).unwrap();
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip(name: &str, content: &[u8], flags: u16) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_le_bytes();
    let names = u16::try_from(name.len()).unwrap().to_le_bytes();
    [
        b"PK\x03\x04\x14\x00".as_slice(),
        &flags.to_le_bytes(),
        &[0; 10],
        &length,
        &length,
        &names,
        &[0; 2],
        name.as_bytes(),
        content,
    ]
    .concat()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What a submission brings along: the name of its input, and the bytes.
fn brings(what: &str) -> Option<(&'static str, Vec<u8>)> {
    let (form, content) = what.split_once(':').unwrap_or((what, ""));
    let content = match content {
        "proof" => elf(&constants(3)),
        "one" => elf(&constants(1)),
        "pool" => [b"#!/bin/sh\n# ".as_slice(), &words()].concat(),
        "" | "secret" => elf(b"honest work"),
        other => panic!("no content {other:?}"),
    };
    Some(match form {
        "none" | "url" => return None,
        // A job with a script of its own brings no file along for it.
        "script" if what == "script" => return None,
        "script" => ("serve.py", content),
        "elf" => ("program", content),
        "tar.gz" => ("tools.tar.gz", gzip(&tar("bin/tool", &content))),
        "nested" => ("image.tar", tar("layer.tar.gz", &gzip(&tar("usr/bin/x", &content)))),
        "zip" => ("scene.zip", zip("plugin", &content, u16::from(what == "zip:secret"))),
        "config" => ("config.json", words()),
        "corpus" => ("corpus.jsonl", [words(), b" and so on".repeat(10_000)].concat()),
        "7z" => ("data.7z", b"7z\xbc\xaf\x27\x1c whatever".to_vec()),
        "tar.bz2" => ("data.tar.bz2", bzip2(&tar("bin/tool", &content))),
        "bomb" => ("weights.gz", gzip(&vec![0; 4 << 20])),
        other => panic!("no form {other:?}"),
    })
}

fn spec(class: &str, name: &str, command: &str, what: &str) -> (JobSpec, Option<Vec<u8>>) {
    let command = command.split(' ').map(str::to_owned).collect();
    let brought = brings(what);
    let input = |source, path: &str| InputFile {
        source,
        path: path.into(),
        unpack: false,
        executable: path == "program",
    };
    let url = Source::Url { url: "https://example.org/input.bin".into(), digest: None };
    let inputs = match &brought {
        Some((path, bytes)) => {
            let (digest, bytes) = (hash_of(bytes), bytes.len() as u64);
            vec![input(Source::Stored { digest, bytes }, path)]
        }
        None if what == "url" => vec![input(url, "input.bin")],
        None => Vec::new(),
    };
    let script = if what == "script" { b"#!/bin/sh\nexec \"$@\"\n".to_vec() } else { Vec::new() };
    let (class, name) = (class.to_owned(), name.to_owned());
    let spec = JobSpec { class, name, command, inputs, script, ..JobSpec::default() };
    (spec, brought.map(|(_, bytes)| bytes))
}

/// What the scheduler does with a submission before the engine is asked.
fn look(spec: &JobSpec, brought: Option<&[u8]>) -> Vec<Mark> {
    let mut marks = texts(&PATTERNS, spec, &POLICY.admission.review_words);
    if let (Some(bytes), Some(input)) = (brought, spec.inputs.first()) {
        let limits = Limits { bytes: 1 << 20, ..Limits::default() };
        let mut source = Cursor::new(bytes);
        let looked =
            files(&*PATTERNS, &mut source, is_program(spec, input), &limits, &|| false).unwrap();
        marks.extend(looked.marks.iter().map(|mark| of_input(&input.path, mark)));
    }
    Mark::heaviest(marks)
}

/// What becomes of a submission, in words.
fn outcome(spec: JobSpec, marks: Vec<Mark>) -> String {
    let mut engine = Engine::new();
    let now = Timestamp::from_millis(1);
    let mut turn = |input: &Input| engine.turn(input, now).unwrap();
    turn(&Input::Found { cell: "test".into(), version: "0".into() });
    turn(&Input::Adopt { text: DEFAULT.into(), by: "op".into(), replaces: None });
    let noted = marks.first().filter(|mark| mark.sign == Sign::Unread).cloned();
    let turned = turn(&Input::Submit(Box::new(Submit {
        key: Key([1; 16]),
        submitter: "ada".into(),
        spec,
        spec_hash: Hash([0; 32]),
        past: Vec::new(),
        marks,
        looked_by: Some(POLICY.hash),
    })));
    match (turned.answer, &turned.facts[0]) {
        (Answer::Refused(refusal), Fact::SubmissionRefused(fact)) => {
            assert_eq!(fact.policy, POLICY.hash);
            format!("refused [{}] {refusal}", refusal.code())
        }
        (Answer::Job { hold: Some(hold), .. }, Fact::JobSubmitted(fact)) => {
            format!("held, {} [{}] {hold}", fact.tier, hold.code())
        }
        (Answer::Job { hold: None, .. }, Fact::JobSubmitted(fact)) => {
            let noted = noted.map(|mark| format!("; noted: {} {}", mark.place, mark.detail));
            format!("runs, {}{}", fact.tier, noted.unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_submission_of_the_table_comes_to_what_the_table_says() {
    let golden = include_str!("golden/submissions.txt");
    let mut fresh = Vec::new();
    let mut rows = 0;
    for line in golden.lines() {
        if line.starts_with('#') || line.is_empty() {
            fresh.push(line.to_owned());
            continue;
        }
        let cells: Vec<&str> = line.splitn(6, '|').map(str::trim).collect();
        let [kind, class, name, command, what] = cells[..5] else { panic!("{line}") };
        let plain = command.replace("{+}", "+").replace("{-}", "-");
        let (spec, brought) = spec(class, name, &plain, what);
        let marks = look(&spec, brought.as_deref());
        rows += 1;
        fresh.push(format!(
            "{kind} | {class} | {name} | {command} | {what} | {}",
            outcome(spec, marks)
        ));
    }

    assert!(rows >= 40, "{rows} submissions");
    let fresh = fresh.join("\n") + "\n";
    assert!(fresh == golden, "the table is now:\n{fresh}");
}

#[test]
fn no_honest_submission_of_the_table_is_refused_and_no_lie_runs_unseen() {
    let golden = include_str!("golden/submissions.txt");
    let rows = golden.lines().filter(|line| !line.starts_with('#') && !line.is_empty());

    for row in rows {
        let cells: Vec<&str> = row.splitn(6, '|').map(str::trim).collect();
        let (kind, end) = (cells[0], cells[5]);
        assert!(kind != "honest" || !end.starts_with("refused"), "{row}");
        // What shows nothing but its flags is for the detector to see while it runs.
        let shows_nothing = cells[2] == "bench";
        assert!(kind != "adversarial" || shows_nothing || !end.starts_with("runs"), "{row}");
    }
}
