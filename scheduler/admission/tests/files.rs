//! What a look finds in files and archives, and what it costs when they are hostile.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::{self, Cursor, Read, Write as _};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use lzma_rust2::{XzOptions, XzWriter};
use proptest::prelude::*;
use repower_admission::{Limits, Looked, Sought, files, is_program};
use repower_model::{Hash, InputFile, JobSpec, Mark, Sign, Source};
use repower_patterns::Patterns;
use sha2::{Digest as _, Sha256};

/// Made once: that takes longer than any test here.
static PATTERNS: LazyLock<Patterns> = LazyLock::new(Patterns::new);

/// Constants of dataset items as the specification of the function prints them, each plus one: so
/// this file's own program does not hold them.
const PLUS_ONE: [u64; 4] = [
    9_298_411_001_130_361_341,
    12_065_312_585_734_608_967,
    9_306_329_213_124_626_781,
    5_281_919_268_842_080_867,
];

fn constants(count: usize) -> Vec<u8> {
    let one = std::hint::black_box(1);
    let all = PLUS_ONE.iter().take(count);
    all.flat_map(|constant| [&(constant - one).to_le_bytes()[..], &[0x90; 33]].concat()).collect()
}

fn words() -> Vec<u8> {
    let first = std::hint::black_box("mining");
    format!("{first}.subscribe {first}.submit").into_bytes()
}

fn program(content: &[u8]) -> Vec<u8> {
    [b"\x7fELF".as_slice(), &[0; 200], content, &[7; 5000]].concat()
}

fn look(bytes: &[u8]) -> Looked {
    look_with(bytes, false, &Limits::default())
}

fn look_with(bytes: &[u8], executable: bool, limits: &Limits) -> Looked {
    files(&*PATTERNS, &mut Cursor::new(bytes), executable, limits, &|| false).unwrap()
}

fn found(looked: &Looked) -> Vec<(Sign, &str)> {
    looked.marks.iter().map(|mark| (mark.sign, mark.place.as_str())).collect()
}

fn tar_of(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        builder.append_data(&mut header, name, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(6)).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

/// All ways to pack one stream.
const PACKINGS: [(&str, Pack); 4] = [("gzip", gzip), ("xz", xz), ("zstd", zstd), ("bzip2", bzip2)];

/// A part of a zip; `behind`: its length stands behind it, as when it was written to a pipe.
fn part(name: &str, bytes: &[u8], method: u16, flags: u16, behind: bool) -> Vec<u8> {
    let packed = if method == 8 {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    } else {
        bytes.to_vec()
    };
    let flags = if behind { flags | 8 } else { flags };
    let length = if behind { 0 } else { u32::try_from(packed.len()).unwrap() };
    let mut part = b"PK\x03\x04\x14\x00".to_vec();
    part.extend(flags.to_le_bytes());
    part.extend(method.to_le_bytes());
    part.extend([0; 8]);
    part.extend(length.to_le_bytes());
    part.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    part.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
    part.extend([0; 2]);
    part.extend(name.as_bytes());
    part.extend(packed);
    if behind {
        part.extend(b"PK\x07\x08");
        part.extend([0; 12]);
    }
    part
}

#[test]
fn three_constants_are_found_in_any_file_and_two_are_not() {
    assert_eq!(found(&look(&program(&constants(3)))), [(Sign::ProofOfWork, "")]);
    assert_eq!(found(&look(&constants(4))), [(Sign::ProofOfWork, "")]);
    assert_eq!(found(&look(&program(&constants(2)))), []);
}

#[test]
fn words_count_in_programs_make_one_ask_in_small_texts_and_are_data_in_large_ones() {
    let script = [b"#!/bin/sh\n".as_slice(), &words()].concat();
    let corpus = [words(), vec![b' '; 100_000]].concat();

    assert_eq!(found(&look(&script)), [(Sign::PoolClient, "")]);
    assert_eq!(found(&look(&words())), [(Sign::Word, "")]);
    assert_eq!(found(&look(&corpus)), []);
    assert_eq!(found(&look_with(&corpus, true, &Limits::default())), [(Sign::PoolClient, "")]);
}

#[test]
fn constants_that_lie_in_three_files_of_an_archive_are_three_coincidences() {
    let parts: Vec<Vec<u8>> = (0..3).map(|at| constants(4)[at * 41..][..8].to_vec()).collect();
    let apart =
        tar_of(&[("a", &parts[0], 0o755), ("b", &parts[1], 0o755), ("c", &parts[2], 0o755)]);
    let together = tar_of(&[("lib/x.so", &constants(3), 0o644)]);

    assert_eq!(found(&look(&apart)), []);
    assert_eq!(found(&look(&together)), [(Sign::ProofOfWork, "lib/x.so")]);
}

#[test]
fn archives_in_archives_are_looked_into_and_the_place_says_where() {
    let inner = gzip(&tar_of(&[("bin/tool", &program(&constants(3)), 0o755)]));
    let layer = tar_of(&[("layer.tar.gz", &inner, 0o644), ("manifest.json", b"{}", 0o644)]);
    let zipped = [part("readme", b"hello", 0, 0, false), part("image.tar", &layer, 8, 0, true)];

    let looked = look(&zipped.concat());

    let place = "image.tar: layer.tar.gz: bin/tool";
    assert_eq!(found(&looked), [(Sign::ProofOfWork, place)]);
}

#[test]
fn a_tar_is_looked_into_however_it_is_packed_and_each_way_in_each_other() {
    let tar = tar_of(&[("bin/tool", &program(&constants(3)), 0o755), ("notes", b"hello", 0o644)]);

    for (name, pack) in PACKINGS {
        assert_eq!(found(&look(&pack(&tar))), [(Sign::ProofOfWork, "bin/tool")], "{name}");
        for (outer, again) in PACKINGS {
            let twice = again(&pack(&tar));
            assert_eq!(
                found(&look(&twice)),
                [(Sign::ProofOfWork, "bin/tool")],
                "{name} in {outer}"
            );
        }
        let parts = [pack(b"hello"), pack(&program(&constants(3)))].concat();
        assert_eq!(found(&look(&parts)), [(Sign::ProofOfWork, "")], "two streams of {name}");
    }
}

#[test]
fn frames_that_are_to_be_skipped_hide_nothing() {
    let skip = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap().to_le_bytes();
        [b"\x53\x2a\x4d\x18".as_slice(), &length, bytes].concat()
    };
    let hidden = [skip(b"abc"), zstd(b"hello"), skip(&[7; 999]), zstd(&program(&constants(3)))];
    let cut = [zstd(b"hello"), b"\x53\x2a\x4d\x18\xff\xff\0\0 few".to_vec()];

    assert_eq!(found(&look(&hidden.concat())), [(Sign::ProofOfWork, "")]);
    assert_eq!(found(&look(&cut.concat())), [(Sign::Unread, "")]);
}

#[test]
fn what_wants_more_memory_than_it_gets_is_not_unpacked() {
    let mut options = XzOptions::with_preset(6);
    options.lzma_options.dict_size = 256 << 20;
    let mut encoder = XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(&program(&constants(3))).unwrap();
    let greedy = encoder.finish().unwrap();
    // A frame that says that it looks back over a gibibyte, and has one block of a byte.
    let far = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa0, 0x09, 0x00, 0x00, b'x'];
    let thrice = xz(&zstd(&xz(&program(&constants(3)))));

    for bytes in [greedy, far.to_vec(), thrice] {
        let looked = look(&bytes);

        assert_eq!(found(&looked), [(Sign::Unread, "")]);
        assert!(looked.marks[0].detail.contains("memory"), "{:?}", looked.marks);
    }
}

#[test]
fn a_digest_of_the_list_is_found_in_any_archive() {
    let tool = b"\x7fELF a program that must not run".to_vec();
    let list = BTreeSet::from([Hash(Sha256::digest(&tool).into())]);
    let sought = Sought { patterns: &PATTERNS, digests: &list, rules: None };
    let tar = tar_of(&[("bin/tool", &tool, 0o755), ("bin/other", b"\x7fELF", 0o755)]);
    let look = |bytes: &[u8]| {
        files(sought, &mut Cursor::new(bytes), false, &Limits::default(), &|| false).unwrap()
    };

    for bytes in [zstd(&tar), xz(&tar), part("bin/tool", &tool, 8, 0, true)] {
        let looked = look(&bytes);
        assert_eq!(found(&looked), [(Sign::KnownDigest, "bin/tool")]);
    }
    assert_eq!(found(&look(&tool)), [], "whoever brings it alone knows its digest");
}

#[test]
fn the_mode_in_a_tar_tells_a_program() {
    let tar = tar_of(&[("run", &words(), 0o755), ("notes", &words(), 0o644)]);

    assert_eq!(found(&look(&tar)), [(Sign::PoolClient, "run"), (Sign::Word, "notes")]);
}

#[test]
fn a_part_of_a_zip_that_its_directory_does_not_name_is_looked_at() {
    let mut zip = part("a", b"hello", 8, 0, false);
    zip.extend(b"something between");
    zip.extend(part("hidden.py", &words(), 0, 0, false));
    zip.extend(b"PK\x01\x02 a directory that names only a");

    assert_eq!(found(&look(&zip)), [(Sign::PoolClient, "hidden.py")]);
}

#[test]
fn what_lies_between_the_parts_of_a_zip_is_looked_at() {
    let miner = program(&constants(3));
    let bare = [b"PK\x03\x04".as_slice(), &[0; 26], &miner].concat();
    // Its length stands in the directory at the end alone.
    let mut silent = part("bin/x", &miner, 0, 0, false);
    silent[18..26].fill(0);
    let mut script = part("run.py", &[words(), vec![b' '; 100_000]].concat(), 0, 0, false);
    script[18..26].fill(0);
    let (mut beside, field) = (part("a", b"", 0, 0, false), constants(3));
    beside[28..30].copy_from_slice(&u16::try_from(field.len()).unwrap().to_le_bytes());
    let beside = [beside, field, part("b", b"hello", 0, 0, false)].concat();
    let lie = part("a", &constants(3), 0, 1, false);

    let strange = [(Sign::ProofOfWork, ""), (Sign::Unread, "")];
    assert_eq!(found(&look(&bare)), strange);
    assert_eq!(found(&look(&[silent, part("b", b"hello", 8, 0, false)].concat())), strange);
    assert_eq!(found(&look(&script)), [(Sign::PoolClient, ""), (Sign::Unread, "")]);
    assert_eq!(found(&look(&beside)), [(Sign::ProofOfWork, "")]);
    assert_eq!(found(&look(&lie)), [(Sign::ProofOfWork, "a"), (Sign::Unread, "a")]);
}

#[test]
fn a_usual_zip_has_nothing_strange_between_its_parts() {
    let directory = [b"PK\x01\x02".as_slice(), &[0; 60], b"PK\x05\x06", &[0; 18]].concat();
    let streamed = [part("a", b"hello", 8, 0, true), part("b", b"hello", 8, 0, true)].concat();
    let known = [part("a", b"hello", 8, 0, false), part("b", b"", 0, 0, false)].concat();

    assert_eq!(found(&look(&[streamed, directory.clone()].concat())), []);
    assert_eq!(found(&look(&[known, directory].concat())), []);
}

#[test]
fn a_file_that_ends_as_a_zip_and_begins_as_something_else_is_told() {
    let zip = part("__main__.py", &words(), 8, 0, false);
    let end = [b"PK\x01\x02".as_slice(), &[0; 42], b"PK\x05\x06", &[0; 8], &[46, 0, 0, 0], &[0; 6]];
    let zipapp = [b"#!/usr/bin/env python3\n".as_slice(), &zip, &end.concat()].concat();

    assert_eq!(found(&look(&zipapp)), [(Sign::Unread, "")]);
}

#[test]
fn what_lies_behind_a_gzip_or_in_a_damaged_tar_is_looked_at() {
    let miner = program(&constants(3));
    let mut tar = tar_of(&[("a", b"hello", 0o644), ("b", &miner, 0o644)]);
    tar[1024 + 148] ^= 1;

    for bytes in [[gzip(b"hello"), miner].concat(), tar] {
        assert_eq!(found(&look(&bytes)), [(Sign::ProofOfWork, ""), (Sign::Unread, "")]);
    }
}

#[test]
fn an_input_that_is_named_as_scripts_are_is_looked_at_as_a_program() {
    let named = |command: &[&str], path: &str, executable| {
        let source = Source::Url { url: String::new(), digest: None };
        let input = InputFile { source, path: path.into(), unpack: false, executable };
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        is_program(&JobSpec { command, inputs: vec![input.clone()], ..JobSpec::default() }, &input)
    };
    let input = |path: &str, executable| named(&[], path, executable);

    assert!(input("bin/Client.PY", false) && input("x", true));
    assert!(!input("client.py.txt", false) && !input("data", false));
    let run = |command: &[&str]| named(command, "data", false);
    assert!(run(&["/usr/bin/python3.12", "-u", "./data"]) && run(&["bash", "data"]));
    assert!(!run(&["wc", "data"]) && !run(&["python3", "train.py", "data"]));
}

#[test]
fn what_cannot_be_looked_into_is_told() {
    let secret = part("secret", &words(), 8, 1, false);
    let strange = part("strange", b"hello", 14, 0, false);
    let told = |bytes: &[u8]| {
        let looked = look(bytes);
        looked.marks.first().map(|mark| (mark.sign, mark.detail.clone())).unwrap()
    };
    let unread = |why: &str| (Sign::Unread, why.to_owned());

    assert_eq!(told(&secret), unread("is encrypted"));
    assert_eq!(told(&strange), unread("is packed in a way that is not unpacked here"));
    let seven = b"7z\xbc\xaf\x27\x1c rest";
    assert_eq!(told(seven), unread("is packed with 7z, which is not unpacked here"));
    let mut sif = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0".to_vec();
    sif.resize(4096, 0);
    let lzma = b"\x5d\0\0\x80\0\xff\xff\xff\xff\xff\xff\xff\xff rest".to_vec();
    for (name, bytes) in [("lzma", &lzma), ("sif", &sif)] {
        assert_eq!(
            told(bytes),
            unread(&format!("is packed with {name}, which is not unpacked here"))
        );
    }
    assert_eq!(look(b"\x5d\0\0\x81\0 no dictionary has such a size").marks, []);
    for (name, pack) in PACKINGS {
        let damaged = format!("is a {name} that is damaged, ends early or wants too much memory");
        let whole = pack(&program(&words()));
        let longer = [whole.as_slice(), b"what belongs to nobody"].concat();
        assert_eq!(told(&whole[..whole.len() / 2]), unread(&damaged));
        assert!(look(&longer).marks.iter().any(|mark| mark.detail == damaged), "{name}");
    }
    let mut tar = tar_of(&[("a", b"hello", 0o644), ("b", b"hello", 0o644)]);
    tar[1024 + 148] ^= 1;
    assert_eq!(told(&tar), unread("is a tar that is damaged or ends early"));
}

#[test]
fn a_bomb_costs_what_the_limits_say_and_no_more() {
    let limits = Limits { bytes: 1 << 20, ..Limits::default() };
    let zeros = vec![0; 3 << 20];
    let bombs = PACKINGS.map(|(_, pack)| pack(&zeros));
    let nested = gzip(&bombs[0]);

    for bytes in bombs.into_iter().chain([nested]) {
        let looked = look_with(&bytes, false, &limits);

        assert!(looked.bytes <= 1 << 20, "{}", looked.bytes);
        assert_eq!(looked.marks.first().map(|mark| mark.sign), Some(Sign::Unread));
        assert!(looked.marks[0].detail.contains("larger"), "{:?}", looked.marks);
    }
}

#[test]
fn archives_that_are_packed_too_deep_or_have_too_many_files_are_told() {
    let mut onion = program(&constants(3));
    for _ in 0..8 {
        onion = gzip(&onion);
    }
    let many: Vec<_> = (0..50).map(|_| ("x", b"y".as_slice(), 0o644)).collect();
    let few = Limits { members: 10, ..Limits::default() };

    assert!(look(&onion).marks[0].detail.contains("deeper"));
    assert!(look_with(&tar_of(&many), false, &few).marks[0].detail.contains("more files"));
}

#[test]
fn a_tar_that_announces_more_than_there_is_ends_with_its_bytes() {
    let mut tar = tar_of(&[("a", &constants(3), 0o644)]);
    tar.truncate(512 + constants(3).len());
    let mut header = tar::Header::new_gnu();
    header.set_size(1 << 60);
    header.set_path("a").unwrap();
    header.set_cksum();
    let huge = [header.as_bytes().as_slice(), &constants(3)].concat();

    assert_eq!(found(&look(&tar)), [(Sign::ProofOfWork, "a")]);
    assert_eq!(found(&look(&huge)), [(Sign::ProofOfWork, "a")]);
}

/// So many zeros, which take no room: a sparse file.
struct Zeros(u64);

impl Read for Zeros {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = usize::try_from(self.0.min(buffer.len() as u64)).unwrap();
        buffer[..count].fill(0);
        self.0 -= count as u64;
        Ok(count)
    }
}

#[test]
fn of_a_sparse_file_of_any_size_so_much_is_looked_at_as_the_limits_say() {
    let limits = Limits { bytes: 32 << 20, ..Limits::default() };

    let looked = files(&*PATTERNS, &mut Zeros(1 << 50), false, &limits, &|| false).unwrap();

    assert!(looked.bytes <= 32 << 20);
    assert_eq!(looked.marks.len(), 1);
}

#[test]
fn a_look_is_left_off_when_asked_to() {
    let end = files(&*PATTERNS, &mut Zeros(1 << 50), false, &Limits::default(), &|| true);

    assert_eq!(end.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
}

#[test]
fn a_source_that_fails_is_no_mark() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let mut source = Cursor::new(gzip(&[0; 10_000])).chain(Broken);

    let end = files(&*PATTERNS, &mut source, false, &Limits::default(), &|| false);

    assert_eq!(end.unwrap_err().to_string(), "the disk is gone");
}

#[test]
fn marks_are_few_however_many_files_have_them() {
    let bad = program(&constants(3));
    let many: Vec<_> = (0..200).map(|_| ("x", bad.as_slice(), 0o755)).collect();

    assert_eq!(look(&tar_of(&many)).marks.len(), Mark::MOST);
}

#[test]
fn the_one_who_looks_does_not_find_itself() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();

    let looked = look_with(&program, true, &Limits::default());

    assert_eq!(looked.marks, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_bytes_make_a_look_fail_or_cost_more_than_its_limits(
        start in 0_usize..10,
        noise in proptest::collection::vec(any::<u8>(), 0..3000),
        flips in proptest::collection::vec((0_usize..4000, any::<u8>()), 0..8),
    ) {
        let tar = tar_of(&[("a", &noise, 0o755), ("b/c", &words(), 0o644)]);
        let mut bytes = match start {
            0 => noise,
            1 => tar,
            2 => gzip(&tar),
            3 => part("a", &noise, 8, 0, true),
            4 => xz(&tar),
            5 => zstd(&tar),
            6 => bzip2(&tar),
            7 => zstd(&bzip2(&xz(&noise))),
            8 => [part("a", &tar, 8, 0, false), part("b", &noise, 0, 0, false)].concat(),
            _ => gzip(&gzip(&part("x", &noise, 0, 0, false))),
        };
        for (at, with) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= with;
            }
        }
        let limits = Limits { bytes: 64 << 10, members: 20, depth: 3 };

        let looked = look_with(&bytes, false, &limits);

        prop_assert!(looked.bytes <= 64 << 10);
        prop_assert!(looked.marks.len() <= Mark::MOST);
        prop_assert!(looked.marks.iter().all(|mark| mark.place.len() <= Mark::LONGEST));
    }
}
