//! What tasks save goes with them from node to node, and is gone when they are done.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../agent/daemon/tests/agent/image.rs"]
#[allow(dead_code, reason = "others use other parts of it")]
mod image;
#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image::Image;
use serde_json::Value;
use support::bounded::until;
use support::by_hand::Cell;
use support::program;
use support::shared::{file, scratch};
use support::tmpfs::Disk;

/// An hour of work, in minutes of a thousand steps; the first three melt and settle the fluid.
const SIMULATION: [&str; 8] =
    ["--steps", "57000", "--particles", "240", "--density", "0.8", "--checkpoint-every", "1000"];

fn argon() -> PathBuf {
    let argon = program().with_file_name("argon");
    assert!(argon.is_file(), "{} is missing\nhint: cargo build --workspace", argon.display());
    argon
}

/// What a simulation has printed, but for how long it took.
fn measured(out: &str) -> (Value, String) {
    let (line, table) = out.split_once('\n').unwrap();
    let mut report: Value = serde_json::from_str(line).unwrap();
    report.as_object_mut().unwrap().remove("seconds").unwrap();
    report.as_object_mut().unwrap().remove("index").unwrap();
    (report, table.to_owned())
}

fn attempts(cell: &Cell, job: &str) -> Vec<Value> {
    let shown = cell.cli.json(&["show", &format!("{job}.0")]);
    shown["attempts"].as_array().unwrap().clone()
}

/// Where a task saves its work on a node.
fn saved(cell: &Cell, node: &str, job: &str) -> PathBuf {
    cell.cli.folder.join(format!("{node}/checkpoints/{job}.0"))
}

/// Waits until the latest attempt of this number runs, and returns its node.
fn runs(cell: &Cell, job: &str, number: usize) -> String {
    for _ in 0..10_000 {
        let all = attempts(cell, job);
        if all.len() == number && all[number - 1]["state"] == "running" {
            return all[number - 1]["node"].as_str().unwrap().to_owned();
        }
    }
    panic!("attempt {number} of job {job} never runs: {:?}", cell.cli.run(&["show", job]));
}

/// Whether there is nothing in a folder; one that is not there has nothing in it.
fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// Whether there is nothing in the scheduler's store.
fn has_no_objects(cell: &Cell) -> bool {
    let shards = fs::read_dir(cell.data().join("artefacts/objects")).unwrap();
    shards.flatten().all(|shard| is_empty(&shard.path()))
}

#[test]
fn a_simulation_that_is_preempted_three_times_on_three_nodes_ends_as_if_it_never_was() {
    let folder = scratch();
    let policy = format!(
        "{}\n[scheduling]\npreempt-from = 100\npreempt-below = 0\n",
        repower_core::policy::DEFAULT
    );
    let policy = file(folder.path(), "policy.toml", policy);
    let mut cell = Cell::start(folder.path(), &["--policy", &policy]);
    for name in ["n1", "n2", "n3", "n4"] {
        cell.add_agent(name, &["--cpus", "1", "--label", &format!("name={name}")]);
    }
    let mut whole = Command::new(argon());
    whole.args(SIMULATION).stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let whole = whole.spawn().unwrap();
    let (argon, gate) = (argon(), folder.path().join("gate"));

    let words = ["--checkpoint", "--priority", "-5", "--workdir", "fresh", "--"];
    let program = [argon.to_str().unwrap()];
    let job = cell.cli.submit(&[&words[..], &program, &SIMULATION].concat());
    let mut nodes = Vec::new();
    for number in 1..=3 {
        let node = runs(&cell, &job, number);
        let course = saved(&cell, &node, &job).join("data/argon.course");
        let first = fs::metadata(&course).ok().map(|file| file.ino());
        until("it has saved its work there", || {
            fs::metadata(&course).is_ok_and(|file| first != Some(file.ino()))
        });
        let rule = format!("name={node}");
        let urgent = ["--priority", "100", "--label", &rule, "--workdir", "fresh", "--"];
        let line = format!("until [ -e {} ]; do sleep 0.05; done", gate.display());
        cell.cli.submit(&[&urgent[..], &["/bin/sh", "-c", &line]].concat());
        nodes.push(node);
    }
    assert_eq!(cell.cli.run(&["wait", &job]).code, 0, "{:?}", cell.cli.run(&["show", &job]));

    let all = attempts(&cell, &job);
    let outcomes: Vec<&str> =
        all.iter().map(|one| one["outcome"]["kind"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["preempted", "preempted", "preempted", "exited"]);
    nodes.push(all[3]["node"].as_str().unwrap().to_owned());
    let ran_on = nodes.clone();
    nodes.sort();
    nodes.dedup();
    assert_eq!(nodes.len(), 4, "each attempt ran on another node: {ran_on:?}");
    for one in &all[..3] {
        assert!(one["checkpoint"]["bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{one}");
        assert_eq!(one["steps"][0]["cause"], "preempted", "{one}");
    }
    let log = cell.cli.run(&["logs", &job, "--stderr"]).ok().err;
    assert!(log.contains("going on after step"), "{log}");
    let pieces = cell.cli.run(&["logs", &job, "--stdout"]).ok().out;
    let whole = String::from_utf8(whole.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(measured(&pieces), measured(&whole));

    until("nothing is left of what it has saved", || {
        nodes.iter().all(|node| is_empty(&saved(&cell, node, &job))) && has_no_objects(&cell)
    });
    fs::write(gate, "").unwrap();
}

#[test]
fn a_task_that_asks_for_another_start_finds_what_it_has_saved_also_in_a_box() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);

    let line = "cd $REPOWER_CHECKPOINT_DIR && if [ -e deep/two ]; then cat one deep/two; exit 0; fi; \
                if [ -e one ]; then mkdir deep && echo 2 > deep/two; else echo 1 > one; fi; exit 85";
    let asked = ["--checkpoint", "--checkpoint-exit", "85", "--workdir", "fresh"];
    let job = cell.cli.submit(&[&asked[..], &["--", "/bin/sh", "-c", line]].concat());
    let boxed = ["--isolation", "boxed"];
    let boxed = cell.cli.submit(&[&asked[..], &boxed, &["--", "/bin/sh", "-c", line]].concat());

    for job in [job, boxed] {
        assert_eq!(cell.cli.run(&["wait", &job]).code, 0, "{:?}", cell.cli.run(&["show", &job]));
        assert_eq!(cell.cli.run(&["logs", &job]).ok().out, "1\n2\n");
        let shown = cell.cli.run(&["show", &job]).ok().out;
        assert!(shown.contains(&format!("{job}.0#1 checkpoint no longer needed: ")), "{shown}");
    }
}

#[test]
fn a_full_disk_costs_the_checkpoint_and_not_the_exit_code_and_is_told() {
    let (folder, disk) = (scratch(), Disk::mount(24 << 10));
    symlink(disk.path(), folder.path().join("n1")).unwrap();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);

    let line = "cd $REPOWER_CHECKPOINT_DIR && if [ -e large ]; then exit 7; fi; \
                head -c 16000000 /dev/zero > large; exit 9";
    let asked = ["--checkpoint", "--retries", "1", "--workdir", "fresh"];
    let job = cell.cli.submit(&[&asked[..], &["--", "/bin/sh", "-c", line]].concat());
    let code = cell.cli.run(&["wait", &job]).code;

    let all = attempts(&cell, &job);
    let codes: Vec<i64> =
        all.iter().map(|one| one["outcome"]["exit_code"].as_i64().unwrap()).collect();
    assert_eq!((codes, code), (vec![9, 7], 7), "what is on the node is there all the same");
    let problem = all[0]["checkpoint"]["problem"].as_str().unwrap();
    assert!(problem.contains("free"), "{problem}");
    let shown = cell.cli.run(&["show", &job]).ok().out;
    assert!(shown.contains(&format!("{job}.0#1 checkpoint not kept: ")), "{shown}");
}

#[test]
fn a_program_in_a_container_gets_the_signal_saves_its_work_and_is_started_again_where_it_was() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);
    let node = cell.cli.json(&["node", "n1"]).to_string();
    if !node.contains("\"container\"") {
        drop(writeln!(std::io::stderr(), "SKIPPED: agents of this machine cannot have containers"));
        return;
    }
    let image = Image::new();

    // Told to stop, it writes down what it has and asks for another start; it ends by itself at the third.
    let line = "cd $REPOWER_CHECKPOINT_DIR; n=$(cat step || echo 0); echo from $n; \
                trap 'echo $((n + 1)) > step; exit 85' USR1; trap 'exit 86' TERM; \
                [ $n -ge 2 ] && exit 0; while :; do sleep 0.05; done";
    let asked = ["--checkpoint", "--checkpoint-signal", "USR1", "--checkpoint-exit", "85"];
    let more = ["--time-limit", "2s", "--grace", "30s", "--image", &image.name];
    for isolation in ["bare", "boxed"] {
        let command = ["--isolation", isolation, "--", "sh", "-c", line];
        let job = cell.cli.submit(&[&asked[..], &more, &command].concat());
        let code = cell.cli.run(&["wait", &job]).code;

        assert_eq!(code, 0, "{isolation}: {:?}", cell.cli.run(&["show", &job]));
        for from in 0..3 {
            let attempt = format!("{job}.0#{}", from + 1);
            let said = cell.cli.run(&["logs", &attempt, "--stdout", "--no-prefix"]).ok().out;
            assert_eq!(said, format!("from {from}\n"), "{isolation}");
        }
        let all = attempts(&cell, &job);
        let kinds: Vec<&str> =
            all.iter().map(|one| one["outcome"]["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["checkpointed", "checkpointed", "exited"], "{isolation}");
        for one in &all[..2] {
            let steps = one["steps"].as_array().unwrap();
            assert_eq!(steps.len(), 1, "one signal was enough: {one}");
            assert_eq!(
                (&steps[0]["cause"], &steps[0]["signal"]),
                (&"time-limit".into(), &10.into())
            );
        }
        let shown = cell.cli.run(&["show", &job]).ok().out;
        assert!(!shown.contains("failed"), "it is no failure: {shown}");
    }
}

#[test]
fn a_node_that_comes_back_loses_what_nobody_needs_any_more() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);
    cell.kill_agent();
    let stray = folder.path().join("n1/checkpoints/99.0/data");
    fs::create_dir_all(&stray).unwrap();

    cell.restart_agent("n1");

    until("it is gone", || !stray.exists());
}
