//! Files in buckets of a real S3-compatible server, over lines that break.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use support::bounded::until;
use support::bucket::{Buckets, credentials, credentials_file};
use support::by_hand::Cell;
use support::bytes::{noise, sha256};
use support::cli::Cli;
use support::line::Line;
use support::shared::{file, scratch};

/// A server with a bucket.
fn buckets() -> Buckets {
    Buckets::start(Path::new(env!("CARGO_MANIFEST_DIR")), 0)
}

/// Adds an agent that knows a server of buckets.
fn add_agent(cell: &mut Cell, server: SocketAddr) {
    let known = credentials(server);
    let known: Vec<(&str, &Path)> =
        known.iter().map(|(name, value)| (*name, Path::new(value))).collect();
    cell.add_agent_with("n1", &known, &["--cpus", "2"]);
}

/// A cell that keeps its artefacts in a bucket.
fn cell_in_bucket(folder: &Path, server: SocketAddr) -> Cell {
    let credentials = credentials_file(folder, server);
    let place = ["--artefacts", "s3://files/cell", "--artefacts-credentials"];
    let mut cell = Cell::start(folder, &[&place[..], &[credentials.to_str().unwrap()]].concat());
    cell.add_agent("n1", &["--cpus", "2"]);
    cell
}

/// A line of shell that succeeds if the input `in` has these bytes.
fn checks(bytes: &[u8]) -> String {
    format!("sha256sum < in | grep -q {}", sha256(bytes))
}

/// Submits a line of shell; returns the number of the job.
fn submit(cli: &Cli, words: &[&str], line: &str) -> String {
    let words = [words, &["--system-retries", "0", "--", "/bin/sh", "-c", line]].concat();
    cli.submit(&words)
}

#[test]
fn an_input_from_a_bucket_arrives_whole_though_its_line_breaks_in_the_middle() {
    let (folder, server) = (scratch(), buckets());
    let line = Line::to(server.address);
    let mut cell = Cell::start(folder.path(), &[]);
    add_agent(&mut cell, line.address);
    let (one, other) = (noise(3_000_000, 21), noise(3_000_000, 25));
    server.put("/files/data/one", &one);
    server.put("/files/data/other", &other);

    let sure = format!("s3://files/data/other#sha256={}:in", sha256(&other));
    for (input, bytes) in [("s3://files/data/one:in", one), (&sure, other)] {
        let before = line.cuts();
        line.cut_after(1_000_000);
        let job = submit(&cell.cli, &["--input", input], &checks(&bytes));
        let code = cell.cli.run(&["wait", &job]).code;

        assert_eq!(code, 0, "{:?}", cell.cli.run(&["show", &job]));
        assert_eq!(line.cuts(), before + 1, "the line did not break");
    }
}

#[test]
fn a_bucket_that_is_gone_in_the_middle_of_an_input_ends_the_attempt_with_the_reason() {
    let (folder, server) = (scratch(), buckets());
    let line = Line::to(server.address);
    let mut cell = Cell::start(folder.path(), &[]);
    add_agent(&mut cell, line.address);
    server.put("/files/data/one", &noise(3_000_000, 22));
    line.gone_after(1_000_000);

    let job = submit(&cell.cli, &["--input", "s3://files/data/one:in"], "true");
    let code = cell.cli.run(&["wait", &job]).code;

    assert_ne!(code, 0);
    assert!(line.cuts() > 0, "it broke in the middle");
    let detail = cell.cli.why_not_started(&job);
    for words in ["the input \"in\" cannot be had", "after 6 tries", "s3://files/data/one"] {
        assert!(detail.contains(words), "{detail}");
    }
    let missing = submit(&cell.cli, &["--input", "s3://files/data/none:in"], "true");
    line.heal();
    assert_ne!(cell.cli.run(&["wait", &missing]).code, 0);
}

#[test]
fn a_cell_whose_artefacts_are_in_a_bucket_takes_inputs_in_and_gives_outputs_back() {
    let (folder, server) = (scratch(), buckets());
    let line = Line::to(server.address);
    let cell = cell_in_bucket(folder.path(), line.address);
    let bytes = noise(20 << 20, 23);
    let name = file(folder.path(), "in", &bytes);

    // Each way is broken once: into the bucket, and out of it to the node; and into it again with the output.
    line.cut_after(5 << 20);
    let wanted: Vec<u8> =
        bytes.iter().map(|byte| if *byte == b'a' { b'b' } else { *byte }).collect();
    let asked = ["--input", &name, "--outputs", "out"];
    let job = submit(&cell.cli, &asked, &format!("{} && tr a b < in > out", checks(&bytes)));
    assert_eq!(line.cuts(), 1, "on the way in");
    line.cut_after(5 << 20);
    let ended = cell.cli.run(&["wait", &job]);
    assert_eq!(ended.code, 0, "{:?}", cell.cli.run(&["show", &job]));
    assert_eq!(line.cuts(), 2, "on the way to the node");
    line.cut_after(5 << 20);
    let to = folder.path().join("back");
    let fetched = cell.cli.json(&["fetch", &job, "--to", to.to_str().unwrap()]);
    assert_eq!(line.cuts(), 3, "on the way back");

    assert!(fs::read(to.join("out")).unwrap() == wanted, "they are the bytes that were written");
    let shown = cell.cli.json(&["show", &job]);
    let digest = sha256(&wanted);
    assert_eq!(fetched["files"][0]["sha256"], digest);
    assert_eq!(shown["outputs"][0]["files"][0]["sha256"], digest);
    let key = format!("/files/cell/{}/{digest}", &digest[..2]);
    assert!(server.ask("HEAD", &key, b"").starts_with(b"HTTP/1.1 200"), "it is in the bucket");
    let elsewhere = fs::read_dir(cell.data().join("artefacts/objects")).into_iter().flatten();
    assert_eq!(elsewhere.count(), 0, "and nowhere else");
    cell.cli.run(&["ledger", "verify"]).ok();
}

#[test]
fn while_the_bucket_of_a_cell_is_gone_submitters_are_told_and_outputs_wait_until_it_is_back() {
    let (folder, server) = (scratch(), buckets());
    let line = Line::to(server.address);
    let cell = cell_in_bucket(folder.path(), line.address);

    line.gone_after(3 << 20);
    let job = submit(&cell.cli, &["--outputs", "out"], "head -c 9000000 /dev/zero > out");
    until("the agent tries again", || {
        log(&cell, "n1").contains("an output has not gone: trying again")
    });
    let state = cell.cli.json(&["show", &format!("{job}.0")])["attempts"][0]["state"].take();
    let name = file(folder.path(), "in", noise(1000, 24));
    let words = ["submit", "--class", "software-build", "--input", &name, "--", "true"];
    let refused = cell.cli.run(&words);
    line.heal();
    let ended = cell.cli.run(&["wait", &job]);
    let to = folder.path().join("back");
    cell.cli.run(&["fetch", &job, "--to", to.to_str().unwrap()]).ok();

    assert_eq!(state, "running", "its end is told when its outputs are safe");
    refused.fails(3, &["s3://files/cell"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(fs::read(to.join("out")).unwrap() == vec![0; 9_000_000]);
    cell.cli.run(&words).ok();
}

/// What a daemon of a cell has logged.
fn log(cell: &Cell, name: &str) -> String {
    fs::read_to_string(cell.cli.folder.join(format!("{name}.log"))).unwrap_or_default()
}
