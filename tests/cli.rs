//! The words of the command line: what a slip of the pen is answered with, and how things look.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::cli::{Cli, Said};
use support::pty::{lines, on_terminal};
use support::shared::{Shared, Sharing, cluster, file, scratch};

static CLUSTER: Sharing = Sharing::of(cluster);

/// Somebody without a scheduler, in an empty folder.
fn alone() -> (tempfile::TempDir, Cli) {
    let folder = scratch();
    let cli = Cli::alone(folder.path());
    (folder, cli)
}

/// Submits a job file with this text.
fn job_file(text: &str) -> Said {
    let (folder, cli) = alone();
    let path = file(folder.path(), "job.toml", text);
    cli.run(&["submit", &path])
}

/// Asserts that clap refused the command line: with exit code 2, and these words.
#[track_caller]
fn misspelt(cli: &Cli, arguments: &[&str], words: &[&str]) {
    let said = cli.run(arguments);
    assert_eq!(said.code, 2, "{said:?}");
    assert!(said.err.starts_with("error: ") && said.out.is_empty(), "{said:?}");
    for word in words {
        assert!(said.err.contains(word), "`{word}` is not in {said:?}");
    }
}

#[test]
fn a_misspelt_option_or_command_is_answered_with_the_nearest() {
    let (_folder, cli) = alone();

    misspelt(&cli, &["submit", "--clas", "x", "--", "true"], &["--clas", "'--class'"]);
    misspelt(&cli, &["submt"], &["submt", "'submit'"]);
    misspelt(&cli, &["jobs", "--al"], &["--al", "'--all'"]);
    misspelt(&cli, &["ledger", "verfy"], &["verfy", "'verify'"]);
}

#[test]
fn a_value_that_makes_no_sense_is_named_with_its_option() {
    let (_folder, cli) = alone();
    let submit = |option: &str, value: &str, words: &[&str]| {
        let words = [&[option, value], words].concat();
        misspelt(&cli, &["submit", option, value, "--", "true"], &words);
    };

    submit("--cpus", "0", &["a task asks for 0 cpus; the least is 0.001"]);
    submit("--cpus", "many", &["`many` is not a number"]);
    submit("--memory", "4 Gigs", &["Gigs", "is not a unit of size"]);
    submit("--memory", "0MiB", &["the least is 1 byte"]);
    submit("--memory", "512", &["`512` has no unit", "512MiB"]);
    submit("--memory", "999999999999TiB", &["16 EiB"]);
    submit("--array", "5-4", &["the range 5-4 runs backwards"]);
    submit("--array", "", &["--array"]);
    submit("--array", "1,,2", &["an empty range"]);
    submit("--array", "0-9%0", &["the least is %1"]);
    submit("--time-limit", "90", &["90s"]);
    submit("--priority", "1001", &["1001", "1000"]);
    submit("--start-after", "tomorrow", &["tomorrow", "18:30"]);
    submit("--after", "twelve", &["twelve"]);
    submit("--extra", "licence=0", &["the least is 1"]);
}

#[test]
fn a_usage_line_asks_for_nothing_that_stands_in_the_environment() {
    let (_folder, cli) = alone();

    let said = cli.run(&["show"]);

    assert_eq!(said.code, 2, "{said:?}");
    assert!(
        said.err.contains("Usage: repower show") && !said.err.contains("--profile"),
        "{said:?}"
    );
}

#[test]
fn colours_that_are_not_wanted_are_not_in_what_is_said_of_a_slip_of_the_pen() {
    let (_folder, cli) = alone();

    let usual = on_terminal(&cli, 80, &["jobs", "--nope"]);
    let plain = on_terminal(&cli, 80, &["jobs", "--color", "never", "--nope"]);

    assert!(usual.code == 2 && usual.out.contains('\x1b'), "{usual:?}");
    assert!(plain.code == 2 && !plain.out.contains('\x1b'), "{plain:?}");
}

#[test]
fn a_token_goes_to_a_new_file_that_nobody_else_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let shared = CLUSTER.get();
    let path = shared.folder("tokens").join("rig-07.join");
    let to = path.to_str().expect("text");

    let said = shared.cli.run(&["token", "join", "--to", to]).ok();
    let again = shared.cli.run(&["token", "user", "mia", "--to", to]);

    assert_eq!(said.out, "");
    assert!(said.err.contains(&format!("is in {to}: keep it secret")), "{said:?}");
    assert_eq!(path.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&path).expect("read").contains("secret = "));
    again.fails(1, &["there is a", "already", "name a new file"]);
}

#[test]
fn a_misspelt_key_of_a_job_file_is_told_with_line_column_and_nearest() {
    let said = job_file("class = \"ai-training\"\ncommand = [\"true\"]\n  memroy = \"4GiB\"\n");

    said.fails(2, &["job.toml, line 3, column 3", "`memroy`", "did you mean `memory`?"]);
}

#[test]
fn a_malformed_job_file_is_told_with_line_and_column() {
    job_file("command = [\"true\"\nname = \"x\"\n").fails(2, &["job.toml, line 2, column 1"]);
    job_file("command = \"true\n").fails(2, &["job.toml, line 1"]);
    job_file("cpus = [1]\ncommand = [\"true\"]\n").fails(2, &["line 1, column 8", "`cpus`"]);
    job_file("cpus = 0\ncommand = [\"true\"]\n").fails(2, &["line 1", "the least is 0.001"]);
    job_file("array = \"5-4\"\ncommand = [\"true\"]\n").fails(2, &["line 1", "backwards"]);
    job_file("name = \"nothing\"\n").fails(2, &["neither `command` nor `script`"]);
    job_file("").fails(2, &["neither `command` nor `script`"]);
}

#[test]
fn a_bad_directive_is_told_with_its_line() {
    let (folder, cli) = alone();
    let submit = |text: &str| {
        let path = file(folder.path(), "job.sh", text);
        cli.run(&["submit", &path])
    };

    let nearest = submit("#!/bin/sh\n\n#REPOWER --name x --clas y\n");
    nearest.fails(2, &["line 3 of job.sh", "--clas", "--class"]);
    submit("#!/bin/sh\n#REPOWER --name 'x\n").fails(2, &["line 2 of job.sh", "quote"]);
    submit("#!/bin/sh\n#REPOWER --name a\n#REPOWER --name b\n").fails(2, &["job.sh", "--name"]);
}

#[test]
fn what_the_scheduler_refuses_has_a_code_and_a_hint() {
    let shared = CLUSTER.get();
    let submit =
        |options: &[&str]| shared.cli.run(&[&["submit"], options, &["--", "true"]].concat());

    let unknown = submit(&["--class", "ai-trainning"]);
    unknown.fails(1, &["`ai-trainning`", "did you mean `ai-training`?", "[class.unknown]"]);
    let cpus = submit(&["--class", "ai-training", "--cpus", "2000000"]);
    cpus.fails(1, &["2000000", "1000000", "[job.out-of-bounds]"]);
    let memory = submit(&["--class", "ai-training", "--memory", "900TiB"]);
    memory.fails(1, &["900 TiB", "GiB", "[job.task-too-large]"]);
    let name = "n".repeat(200);
    let name = submit(&["--class", "ai-training", "--name", &name]);
    name.fails(1, &["200", "128", "[job.bad-text]"]);
    shared.cli.run(&["show", "999999"]).fails(1, &["999999", "[job.unknown]"]);
    shared.cli.run(&["logs", "999999"]).fails(1, &["999999", "[job.unknown]"]);
    shared.cli.run(&["node", "nowhere"]).fails(1, &["nowhere", "[node.unknown]"]);
    shared.cli.run(&["token", "revoke", "999999"]).fails(1, &["999999", "[token.unknown]"]);
    shared.cli.run(&["cancel", "999999"]).fails(1, &["999999", "[job.unknown]"]);
}

#[test]
fn an_array_of_more_tasks_than_a_job_may_have_is_refused_with_both_numbers() {
    let shared = CLUSTER.get();

    let words = ["submit", "--class", "ai-training", "--array", "0-4294967295", "--", "true"];
    let said = shared.cli.run(&words).fails(1, &["4294967296"]);

    assert!(said.err.contains("at most"), "{said:?}");
}

#[test]
fn a_failure_is_told_as_error_because_and_hint_in_this_order() {
    let (folder, cli) = alone();
    let profile = "scheduler = \"https://127.0.0.1:1\"\nauthority = \"x\"\ntoken = 5\n";
    file(folder.path(), "client.toml", profile);

    let said = cli.run(&["jobs"]).fails(2, &["client.toml"]);

    let labels: Vec<_> =
        said.err.lines().filter_map(|line| Some(line.split_once(": ")?.0)).collect();
    let labels: Vec<_> = labels.into_iter().filter(|label| *label != "warning").collect();
    assert_eq!(labels, ["error", "because", "hint"], "{said:?}");
}

#[test]
fn a_program_gets_a_failure_as_one_json_document_on_standard_error() {
    let shared = CLUSTER.get();

    let words = ["submit", "--class", "ai-trainning", "-o", "json", "--", "true"];
    let said = shared.cli.run(&words);

    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    let document: Value = serde_json::from_str(&said.err).unwrap();
    let error = &document["error"];
    assert_eq!(error["code"], "class.unknown");
    assert_eq!(error["exit_code"], 1);
    assert!(error["message"].as_str().unwrap().contains("ai-trainning"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("ai-training"), "{error}");
    assert!(error["because"].is_array(), "{error}");
}

#[test]
fn quiet_says_the_bare_result_and_json_says_nothing_else() {
    let shared = CLUSTER.get();
    let submit = |form: &str| {
        shared.cli.run(&["submit", "--class", "ai-training", form, "--wait", "--", "true"]).ok()
    };

    let (quiet, json) = (submit("-q"), submit("--json"));

    assert!(quiet.out.trim().parse::<u64>().is_ok() && quiet.err.is_empty(), "{quiet:?}");
    assert!(json.json()["ended"]["state"] == "succeeded" && json.err.is_empty(), "{json:?}");
}

/// Every command, as it is typed.
fn commands(cli: &Cli, path: &[String], found: &mut Vec<Vec<String>>) {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let help = cli.run(&[&words[..], &["--help"]].concat()).ok().out;
    found.push(path.to_vec());
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let listed = list.lines().take_while(|line| line.starts_with("  "));
    for name in listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next()) {
        // Lines that go on begin with blanks.
        if !name.is_empty() {
            let below: Vec<String> = path.iter().cloned().chain([name.to_owned()]).collect();
            commands(cli, &below, found);
        }
    }
}

#[test]
fn the_help_of_every_command_fits_eighty_columns() {
    let (_folder, cli) = alone();
    let mut found = Vec::new();
    commands(&cli, &[], &mut found);

    for path in &found {
        let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let said = on_terminal(&cli, 80, &words);
        assert_eq!(said.code, 0, "{path:?} {said:?}");
        for line in lines(&said) {
            assert!(line.chars().count() <= 80, "{path:?} is too wide: {line}");
        }
    }
    let names: BTreeSet<String> = found.iter().map(|path| path.join(" ")).collect();
    for name in [
        "submit",
        "ledger verify",
        "token join",
        "scheduler",
        "agent",
        "demo",
        "bench dispatch",
        "completions",
    ] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
}

/// Shows something on terminals of some widths, and asserts that no line is wider.
#[track_caller]
fn fits(shared: &Shared, arguments: &[&str]) -> Vec<String> {
    let mut shown = Vec::new();
    for columns in [80, 120] {
        let said = on_terminal(&shared.cli, columns, arguments);
        assert_eq!(said.code, 0, "{said:?}");
        shown = lines(&said);
        for line in &shown {
            let width = unicode_width::UnicodeWidthStr::width(line.as_str());
            assert!(width <= columns as usize, "{arguments:?} is {width} wide: {line}");
        }
    }
    shown
}

#[test]
fn tables_fit_the_terminal_also_with_the_longest_names() {
    let shared = CLUSTER.get();
    // The longest that there may be; wide letters take two columns each.
    let (long, wide) = ("n".repeat(128), "网格".repeat(21));
    for name in [&long, &wide] {
        let options = ["--name", name, "--project", name, "--env", "A=b", "--array", "0-2"];
        let words = [&["submit", "--class", "hash-heavy"], &options[..], &["--", "false"]].concat();
        let job = shared.cli.json(&words)["job"].to_string();
        let review = ["review", &job, "--approve", "--reason", &long];
        shared.cli.run(&review).ok();
        shared.cli.run(&["wait", &job]);
        fits(&shared, &["show", &job, "--failed"]);
    }
    let held = ["submit", "--class", "hash-heavy", "--name", &long, "--", "true"];
    shared.cli.run(&held).ok();
    shared.cli.run(&["token", "user", &long[..63]]).ok();

    let jobs = fits(&shared, &["jobs", "--all"]);

    assert!(jobs.len() > 3 && jobs[0].contains("NAME"), "{jobs:?}");
    for arguments in [
        &["nodes"][..],
        &["node", "n1"],
        &["token", "list"],
        &["policy", "show"],
        &["ledger", "heads"],
        &["jobs"],
    ] {
        fits(&shared, arguments);
    }
}

#[test]
fn nothing_is_cut_where_no_terminal_is() {
    let shared = CLUSTER.get();
    let name = "w".repeat(128);
    shared.cli.submit(&["--name", &name, "--", "true"]);

    let said = shared.cli.run(&["jobs", "--all"]).ok();

    assert!(said.out.contains(&name), "{said:?}");
    assert!(!said.out.contains('\u{1b}'), "colours: {said:?}");
}

#[test]
fn colours_are_for_terminals_and_can_be_turned_off() {
    let shared = CLUSTER.get();
    shared.cli.submit(&["--", "true"]);

    let coloured = on_terminal(&shared.cli, 80, &["jobs", "--all"]);
    let plain = on_terminal(&shared.cli, 80, &["jobs", "--all", "--color", "never"]);

    assert!(coloured.out.contains('\u{1b}'), "{coloured:?}");
    assert!(!plain.out.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn completions_and_manual_pages_are_written_for_every_command() {
    let (folder, cli) = alone();

    for shell in ["bash", "zsh", "fish"] {
        let said = cli.run(&["completions", shell]).ok();
        assert!(said.out.contains("resubmit"), "{shell}");
    }
    let pages = folder.path().join("man");
    std::fs::create_dir(&pages).unwrap();
    cli.run(&["man", pages.to_str().unwrap()]).ok();

    let names = std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = names.map(|name| name.into_string().unwrap()).collect();
    for name in ["repower.1", "repower-submit.1"] {
        assert!(names.contains(name), "{name} is not in {names:?}");
    }
}

#[test]
fn who_reads_only_the_first_lines_is_no_failure() {
    let shared = CLUSTER.get();
    let words = format!("{} ledger export --readable | head -1", support::program().display());

    let mut command = std::process::Command::new("bash");
    command.args(["-c", &format!("set -o pipefail; {words}")]);
    let said = Said::by(command.env("REPOWER_PROFILE", &shared.cli.profile), b"").ok();

    assert!(said.out.contains("cell_founded") && said.err.is_empty(), "{said:?}");
}
