//! Tasks say how far they are, and people are told: with real processes, from the program to the ledger.

#[path = "support/mod.rs"]
mod support;

use std::path::Path;

use serde_json::Value;
use support::by_hand::Cell;
use support::cli::Cli;
use support::program;
use support::shared::scratch;

/// Asks until what is told of a task has `found` in it.
fn until<T>(cli: &Cli, task: &str, found: impl Fn(&Value) -> Option<T>) -> T {
    for _ in 0..3000 {
        let shown = cli.json(&["show", task]);
        if let Some(found) = found(&shown["attempts"][0]["claimed"]) {
            return found;
        }
    }
    panic!("{:?}", cli.run(&["show", task]));
}

fn done(ppm: u64) -> impl Fn(&Value) -> Option<Value> {
    move |claimed| (claimed["done_ppm"] == ppm).then(|| claimed.clone())
}

/// What a command says, as if its lines were not broken.
fn told(cli: &Cli, arguments: &[&str]) -> String {
    let said = cli.run(arguments).ok().out;
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The facts about progress in the ledger.
fn facts(cli: &Cli) -> Vec<Value> {
    let said = cli.run(&["ledger", "export", "--readable"]).ok().out;
    let entries = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries.filter_map(|entry| entry.get("progress_claimed").cloned()).collect()
}

fn wait_for(flag: &Path) -> String {
    format!("until [ -e {} ]; do sleep 0.02; done", flag.display())
}

#[test]
fn what_a_task_claims_is_shown_as_a_claim_outlives_the_scheduler_and_ends_in_the_ledger() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);
    let cli = cell.cli.clone();
    let [more, end] = ["more", "end"].map(|name| folder.path().join(name));
    let own = program();
    let own = own.display();
    let line = format!(
        "set -e; {own} progress 0.001 --unit step --value 1; {}; {own} progress 0.2% --value 2 --of 1000; {}; \
         {own} progress 1; echo 'nearly done' >> \"$REPOWER_PROGRESS\"; echo x > made",
        wait_for(&more),
        wait_for(&end)
    );
    let one = ["--workdir", "fresh", "--time-limit", "1h", "--outputs", "*", "--", "/bin/sh", "-c"];
    let job = cli.submit(&[&one[..], &[&line]].concat());
    let task = format!("{job}.0");

    let first = until(&cli, &task, done(1000));
    assert_eq!(
        (&first["unit"], &first["value"], &first["total"]),
        (&"step".into(), &1.into(), &Value::Null)
    );
    assert_eq!(first["expected_end"], Value::Null, "one claim is no pace");
    std::fs::write(&more, "").unwrap();
    let second = until(&cli, &task, done(2000));
    assert!(second["expected_end"].is_string(), "{second}");

    // Everywhere as what it claims.
    let next = cli.submit(&["--time-limit", "1h", "--", "true"]);
    let shown = told(&cli, &["show", &task]);
    assert!(shown.contains("claims [....................] 0.2%, step 2 of 1000, "), "{shown}");
    assert!(shown.contains("; at that pace it ends "), "{shown}");
    let jobs = told(&cli, &["jobs"]);
    assert!(jobs.contains("1 running, claims 0.2%"), "{jobs}");
    let top = cli.run(&["top", "--once"]).ok().out;
    assert!(top.contains("CLAIMS") && top.contains("0.2%"), "{top}");
    let why = told(&cli, &["why", &job]);
    assert!(why.contains("it claims [....................] 0.2%"), "{why}");
    // And as nothing more: the estimate goes by the limit.
    let why = cli.json(&["why", &next]);
    assert_eq!(why["estimated_start"]["code"], "estimate.after-task", "{why}");
    assert_eq!(why["claimed_start"]["code"], "estimate.claimed", "{why}");
    let at = |key: &str| why[key]["at"].as_str().unwrap().to_owned();
    assert!(at("claimed_start") < at("estimated_start"), "{why}");
    assert!(told(&cli, &["why", &next]).contains("if running tasks end when they claim to: "));
    assert_eq!(facts(&cli), Vec::<Value>::new(), "what is live is not in the ledger");

    // Another scheduler is told again.
    cell.kill_scheduler();
    cell.start_scheduler(&[]);
    until(&cli, &task, done(2000));

    std::fs::write(&end, "").unwrap();
    cli.run(&["wait", &job, &next]).ok();
    let last = until(&cli, &task, done(1_000_000));
    assert_eq!((&last["bad_lines"], &last["expected_end"]), (&1.into(), &Value::Null));
    let shown = told(&cli, &["show", &task]);
    assert!(shown.contains("claimed [####################] 100.0% at its end"), "{shown}");
    assert!(shown.contains("are no claim: the word 1 is neither a"), "{shown}");
    assert!(!shown.contains("nearly"), "what was said is not repeated: {shown}");
    let facts = facts(&cli);
    assert_eq!(facts.len(), 1, "{facts:?}");
    let files = cli.json(&["show", &job])["outputs"][0]["files"].take();
    let paths: Vec<&str> =
        files.as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ["made"], "what it said is no output");
    cli.run(&["ledger", "verify"]).ok();
}

#[test]
fn outside_of_a_task_there_is_nobody_to_tell_and_no_scheduler_is_asked() {
    let folder = scratch();
    let cli = Cli::alone(folder.path());

    let outside =
        cli.command(&["progress", "0.5"]).env_remove("REPOWER_PROGRESS").output().unwrap();
    assert_eq!(outside.status.code(), Some(1));
    let said = String::from_utf8(outside.stderr).unwrap();
    assert!(
        said.contains("error: this is not a task of Repower") && said.contains("hint: "),
        "{said}"
    );

    let path = folder.path().join("said");
    cli.run(&["progress", "0.5", "--file", path.to_str().unwrap()]).ok();
    assert_eq!(std::fs::read_to_string(path).unwrap(), "0.5\n");
    let gone = folder.path().join("gone/said");
    cli.run(&["progress", "0.5", "--file", gone.to_str().unwrap()]).fails(1, &["cannot write to"]);
    assert_eq!(cli.run(&["progress", "1.5"]).code, 2);
}
