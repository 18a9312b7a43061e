//! Reports, made from the ledgers of real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;

use serde_json::{Value, json};
use support::shared::{Sharing, cluster, scratch};

static CLUSTER: Sharing = Sharing::of(cluster);

/// The line of a class.
fn class<'a>(report: &'a Value, name: &str) -> &'a Value {
    let lines = report["classes"].as_array().unwrap();
    lines.iter().find(|line| line["class"] == name).unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn a_compliance_report_says_what_the_ledger_says_and_verifies_it() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let submit = |class: &str, line: &str| {
        let submit = ["submit", "--class", class, "-q", "--", "/bin/sh", "-c", line];
        cli.run(&submit)
    };
    let good = submit("sci-simulation", "echo done").ok().out.trim().to_owned();
    let bad = submit("sci-simulation", "exit 3").ok().out.trim().to_owned();
    submit("pow-mining", "true").fails(4, &["[class.prohibited]"]);
    let held = submit("hash-heavy", "true").ok().out.trim().to_owned();
    cli.run(&["review", &held, "--deny", "--reason", "<b>no</b> contract"]).ok();
    let scope = "class=hash-heavy,project=archive";
    cli.run(&["approve", "--for", scope, "--until", "+1h", "--reason", "=cmd()"]).ok();
    for job in [&good, &bad, &held] {
        cli.run(&["wait", job]);
    }

    let report = cli.run(&["report", "compliance", "-o", "json"]).ok().json();

    let ledger = &report["ledger"];
    assert_eq!(ledger["verified"], true);
    let head = cli.run(&["ledger", "head"]).ok().out;
    assert!(head.contains(ledger["origin"].as_str().unwrap()));
    let science = class(&report, "sci-simulation");
    let counts = [&science["submitted"], &science["succeeded"], &science["failed"]];
    assert_eq!(counts, [&json!(2), &json!(1), &json!(1)]);
    assert_eq!((&science["tier"], &science["attempts"]), (&json!("encouraged"), &json!(2)));
    assert_eq!(class(&report, "hash-heavy")["cancelled"], 1);
    assert_eq!(report["refusals"]["list"]["total"], 1);
    assert_eq!(report["refusals"]["by_code"], json!([{ "name": "class.prohibited", "count": 1 }]));
    assert_eq!(report["reviews"]["lines"][0]["reason"], "<b>no</b> contract");
    assert_eq!(report["approvals"]["lines"][0]["project"], "archive");
    assert_eq!(report["policies"].as_array().unwrap().len(), 1);
    assert_eq!(report["coverage"].as_array().unwrap().len(), 2);
    let energy = report["energy"].as_array().unwrap();
    assert!(energy.iter().all(|line| line["milliwatt_hours"].is_null()), "unknown is not zero");

    let page = cli.run(&["report", "compliance", "-o", "html"]).ok().out;
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.contains("&lt;b&gt;no&lt;/b&gt; contract") && !page.contains("<b>no</b>"));
    assert!(!page.contains("<script") && !page.contains("http://"), "nothing from elsewhere");
    assert!(page.contains("Verified: ") && page.contains(ledger["origin"].as_str().unwrap()));
    let table = cli.run(&["report", "compliance", "-o", "csv"]).ok().out;
    assert!(table.contains("class,sci-simulation (encouraged),,submitted,2,jobs"), "{table}");
    assert!(table.contains("'=cmd()"), "no formula for a spreadsheet");
    let folder = shared.data.to_str().unwrap();
    let of_folder = cli.run(&["report", "compliance", "--data", folder, "-o", "json"]).ok().json();
    assert_eq!(of_folder["classes"], report["classes"]);
}

#[test]
fn a_period_leaves_out_what_is_outside_of_it() {
    let shared = CLUSTER.get();
    shared.cli.submit(&["--", "true"]);
    let report = |arguments: &[&str]| {
        let all = [&["report", "compliance", "-o", "json"], arguments].concat();
        shared.cli.run(&all).ok().json()
    };

    let before = report(&["--to", "2001-01-01"]);
    let after = report(&["--from", "2001-01-01", "--to", "+1h"]);

    assert_eq!((&before["classes"], &before["policies"]), (&json!([]), &json!([])));
    assert!(class(&after, "software-build")["submitted"].as_u64().unwrap() >= 1);
    assert_eq!(after["policies"].as_array().unwrap().len(), 1, "in force since before");
    let backwards = ["report", "compliance", "--from", "2002-01-01", "--to", "2001-01-01"];
    shared.cli.run(&backwards).fails(2, &["ends before it begins"]);
}

#[test]
fn a_report_of_a_folder_without_a_ledger_says_so() {
    let folder = scratch();
    let shared = CLUSTER.get();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();

    let said = shared.cli.run(&["report", "compliance", "--data", empty.to_str().unwrap()]);

    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.err.starts_with("error: "), "{said:?}");
}
