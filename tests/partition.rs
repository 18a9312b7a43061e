//! A node that is cut off for longer than its lease, by a cable that is really pulled out.

#[path = "support/mod.rs"]
mod support;

use std::fs;

use support::by_hand::Cell;
use support::namespace::Namespace;
use support::shared::scratch;

/// Short for a test, long against the jitter of a busy machine.
const LEASE: &str = "6s";

#[test]
fn a_task_is_gone_before_it_starts_elsewhere_and_one_that_is_kept_is_not_replaced() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (seen, beats, go) = (path("seen"), path("beats"), path("go"));
    let network = Namespace::make();
    let listen = format!("{}:0", network.here);
    let mut cell = Cell::start_at(folder.path(), &listen, &["--lease", LEASE]);
    cell.add_agent_in(&network, "far", &["--cpus", "2"]);

    // It says that it is there over and over, and SIGTERM does not impress it; the next attempt says
    // so once.
    let line = format!(
        "trap '' TERM\n\
         if [ $REPOWER_ATTEMPT != 1 ]; then echo $REPOWER_NODE $REPOWER_ATTEMPT >> {seen}; exit 0; fi\n\
         while :; do echo $REPOWER_NODE $REPOWER_ATTEMPT >> {seen}; sleep 0.02; done"
    );
    let moves = cell.cli.submit(&["--workdir", "fresh", "--", "/bin/sh", "-c", &line]);
    let line = format!("while [ ! -e {go} ]; do echo $REPOWER_NODE >> {beats}; sleep 0.02; done");
    let keep = ["--on-disconnect", "keep", "--workdir", "fresh", "--", "/bin/sh", "-c", &line];
    let stays = cell.cli.submit(&keep);
    for job in [&moves, &stays] {
        until(&cell, job, "running");
    }
    cell.add_agent("near", &["--cpus", "2"]);

    network.cut();
    cell.cli.run(&["wait", &moves]).ok();
    let why = cell.cli.json(&["why", &stays]);
    let state = cell.cli.json(&["show", &format!("{stays}.0")])["attempts"].take();
    network.heal();
    until(&cell, &stays, "running");
    fs::write(&go, "").unwrap();
    cell.cli.run(&["wait", &stays]).ok();

    // What was appended first lies first, whatever the clocks say.
    let seen = fs::read_to_string(&seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    let (last, before) = lines.split_last().unwrap();
    assert_eq!(*last, "near 2");
    assert!(before.len() > 10 && before.iter().all(|line| *line == "far 1"), "{seen}");
    assert_eq!(why["code"], "task.out-of-touch", "{why}");
    assert_eq!(state[0]["state"], "out-of-touch", "{state}");
    let attempts = cell.cli.json(&["show", &format!("{stays}.0")])["attempts"].take();
    assert_eq!(attempts.as_array().unwrap().len(), 1, "{attempts}");
    assert_eq!(attempts[0]["node"], "far");
    let beats = fs::read_to_string(&beats).unwrap();
    assert!(beats.lines().all(|line| line == "far"), "{beats}");
}

/// Asks until the first task of a job is in a state.
#[track_caller]
fn until(cell: &Cell, job: &str, state: &str) {
    let mut found = String::new();
    for _ in 0..3000 {
        let attempts = cell.cli.json(&["show", &format!("{job}.0")])["attempts"].take();
        attempts[0]["state"].as_str().unwrap_or("nowhere").clone_into(&mut found);
        if found == state {
            return;
        }
    }
    panic!("job {job} does not come to {state}, but is {found}");
}
