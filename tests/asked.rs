//! What jobs ask of nodes, of time and of each other, on a cluster of real processes.

#[path = "support/mod.rs"]
mod support;

use std::sync::mpsc::{Receiver, SyncSender};

use serde_json::json;
use support::by_hand::Cell;
use support::gate::Gate;
use support::shared::{Place, Sharing, scratch};

static CELL: Sharing = Sharing::of(labelled);

/// Keeps a cell with a plain agent and one with a label.
fn labelled(tell: &SyncSender<Place>, end: &Receiver<()>) {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("plain", &["--cpus", "4"]);
    cell.add_agent(
        "fast",
        &["--cpus", "4", "--label", "gpu=v100", "--label", "rack=3", "--extra", "licence=1,gpu=1"],
    );
    tell.send(Place::new(folder.path(), &cell.data(), &cell.url)).expect("a test waits for it");
    assert!(end.recv().is_err(), "nobody sends");
    drop(cell);
}

#[test]
fn a_job_goes_to_a_node_with_the_label_that_it_asks_for() {
    let shared = CELL.get();
    let limit = ["--time-limit", "1m"];

    let here = shared.cli.wait_for(&[&limit[..], &["--label", "gpu=p100|v100"]].concat(), "true");
    let there = shared.cli.wait_for(&[&limit[..], &["--label", "!gpu"]].concat(), "true");
    let nowhere = shared.cli.submit(&["--time-limit", "1m", "--label", "fpga", "--", "/bin/true"]);

    let node = |job: &str| {
        shared.cli.json(&["show", job, "--attempts", "1"])["attempts"][0]["node"].take()
    };
    assert_eq!(node(here.out.trim()), "fast");
    assert_eq!(node(there.out.trim()), "plain");
    let why = shared.cli.json(&["why", &nowhere]);
    assert_eq!(why["code"], "nodes.label", "{why}");
    let node = shared.cli.json(&["node", "fast"]);
    assert_eq!(node["inventory"]["labels"], json!({ "gpu": "v100", "rack": "3" }));
    shared.cli.run(&["cancel", &nowhere]).ok();
}

#[test]
fn a_task_is_told_and_held_to_what_it_was_placed_by() {
    let shared = CELL.get();
    let gate = Gate::new(&shared.cli.folder, "licence");
    let there = ["--time-limit", "1m", "--label", "gpu", "--extra", "licence=1"];
    let line = gate.told("here", "exit 0");
    let holder = [&there[..], &["--", "/bin/sh", "-c", &line]].concat();
    let holder = shared.cli.submit(&holder);
    gate.wait_for("here");

    let either = [&there[..], &["--memory", "32MiB", "--or", "cpus=2,memory=96M,gpu"]].concat();
    let told = "echo $REPOWER_CPUS $REPOWER_MEMORY \"<$CUDA_VISIBLE_DEVICES>\"";
    let used = "head -c 60m /dev/zero | tail -c 48m | wc -c";
    let said = shared.cli.wait_for(&either, &format!("{told}; {used}")).ok();
    gate.open();
    shared.cli.run(&["wait", &holder]).ok();

    let logs = shared.cli.run(&["logs", said.out.trim()]).ok();
    assert_eq!(logs.out, "2 100663296 <0>\n50331648\n", "{logs:?}");
}

#[test]
fn each_task_starts_when_its_counterpart_has_succeeded() {
    let shared = CELL.get();
    let gate = Gate::new(&shared.cli.folder, "each");
    let line = format!("[ $REPOWER_TASK_INDEX = 0 ] || {}", gate.then("exit 0"));
    let array = ["--array", "0-1", "--time-limit", "1m"];
    let first = shared.cli.submit(&[&array[..], &["--", "/bin/sh", "-c", &line]].concat());
    let after = format!("{first}:each");
    let second = shared.cli.submit(&[&array[..], &["--after", &after, "--", "/bin/true"]].concat());

    // Task 0 of the second ends before task 1 of the first does.
    shared.cli.run(&["logs", &format!("{second}.0"), "--follow"]).ok();
    let early = shared.cli.json(&["show", &second])["tasks"].take();
    gate.open();
    shared.cli.run(&["wait", &second]).ok();

    assert_eq!((&early["succeeded"], &early["pending"]), (&json!(1), &json!(1)), "{early}");
    let spec = shared.cli.json(&["show", &second])["spec"]["dependencies"].take();
    assert_eq!(spec[0]["per_task"], true, "{spec}");
}

#[test]
fn a_reservation_is_made_listed_and_ended() {
    let shared = CELL.get();

    let made = shared.cli.json(&[
        "reserve",
        "--nodes",
        "plain,fast",
        "--from",
        "+2h",
        "--until",
        "+3h",
        "--reason",
        "fans",
    ]);
    let id = made["id"].to_string();
    let listed = shared.cli.json(&["reservations"])["reservations"].take();
    let endless = shared.cli.submit(&["--", "/bin/true"]);
    let why = shared.cli.json(&["why", &endless]);
    shared.cli.wait_for(&["--time-limit", "1m"], "true").ok();
    let clash = ["--nodes", "plain", "--until", "+150m", "--reason", "x"];
    let clash = shared.cli.run(&[&["reserve"], &clash[..]].concat());
    shared.cli.run(&["unreserve", &id, "--reason", "not needed"]).ok();
    shared.cli.run(&["wait", &endless]).ok();

    assert_eq!(made["nodes"], json!(["plain", "fast"]), "{made}");
    assert!(made["project"].is_null(), "{made}");
    assert!(listed.as_array().is_some_and(|all| all.contains(&made)), "{listed}");
    assert_eq!(why["code"], "nodes.reserved", "{why}");
    clash.fails(1, &["[reservation.overlaps]", &format!("repower unreserve {id}")]);
    shared.cli.run(&["unreserve", &id]).fails(1, &["[reservation.unknown]"]);
}

#[test]
fn cancelling_goes_on_after_a_job_that_has_ended() {
    let shared = CELL.get();
    let ended = shared.cli.wait_for(&["--time-limit", "1m"], "true").out;
    let waiting = shared.cli.submit(&["--label", "none", "--", "/bin/true"]);

    let said = shared.cli.run(&["cancel", ended.trim(), &waiting]);

    assert_eq!(shared.cli.json(&["show", &waiting])["state"], "cancelled");
    assert!(said.out.contains(&format!("{waiting}: 1 task cancelled")), "{said:?}");
    said.fails(1, &["[job.ended]"]);
}

#[test]
fn a_job_that_has_not_ended_is_not_submitted_again() {
    let shared = CELL.get();
    let waiting = shared.cli.submit(&["--label", "none", "--", "/bin/true"]);

    let said = shared.cli.run(&["resubmit", &waiting]);

    said.fails(1, &["[resubmit.live]", &format!("repower wait {waiting}")]);
    shared.cli.run(&["cancel", &waiting]).ok();
}

#[test]
fn what_cannot_be_kept_is_refused_with_both_figures() {
    let shared = CELL.get();
    let refused = |options: &[&str], words: &[&str]| {
        let all = [&["submit", "--class", "data-processing"], options, &["--", "true"]].concat();
        shared.cli.run(&all).fails(1, words);
    };

    refused(&["--expect", "2h", "--time-limit", "1m"], &["2h 0m", "1m 0s", "[job.out-of-bounds]"]);
    refused(&["--expect", "2h", "--deadline", "+30m"], &["2h 0m", "[job.deadline-too-soon]"]);
    refused(&["--or", "cpus=64"], &["64", "4", "[job.task-too-large]"]);
}
