//! Policies, approvals and what is looked for in jobs, with real processes.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;

use repower_core::policy::{DEFAULT, hash_of};
use serde_json::Value;
use support::by_hand::Cell;
use support::cli::Cli;
use support::shared::{Sharing, cluster, file, scratch};

static CLUSTER: Sharing = Sharing::of(cluster);

/// The facts in the ledger, by kind.
fn facts(cli: &Cli, kind: &str) -> Vec<Value> {
    let exported = cli.run(&["ledger", "export", "--readable"]).ok();
    let lines = exported.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter_map(|mut line| line.get_mut(kind).map(Value::take)).collect()
}

/// Constants of a proof-of-work function as its specification prints them, each plus one: so this
/// file's own program does not hold them.
fn proof() -> Vec<u8> {
    const PLUS_ONE: [u64; 3] =
        [9_298_411_001_130_361_341, 12_065_312_585_734_608_967, 9_306_329_213_124_626_781];
    let one = std::hint::black_box(1);
    let constants = PLUS_ONE.iter().flat_map(|constant| (constant - one).to_le_bytes());
    [b"\x7fELF".to_vec(), vec![0; 500], constants.collect()].concat()
}

#[test]
fn a_policy_is_compared_and_put_in_force_by_name_and_holds_what_it_prohibits() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let cli = Cli::new(&cell.data().join("client.toml"), folder.path());
    let strict = DEFAULT.replace("default-2", "strict-1").replace(
        "[class.render-transcode]\ntier = \"permitted\"",
        "[class.render-transcode]\ntier = \"prohibited\"\nentry = \"house rule 1\"",
    );
    let strict = file(folder.path(), "strict.toml", strict);
    let submit = ["submit", "--class", "render-transcode", "-q", "--", "true"];
    let job = cli.run(&submit).ok().out.trim().to_owned();

    let same = file(folder.path(), "same.toml", DEFAULT);
    assert_eq!(cli.json(&["policy", "diff", &same])["same_text"], true);
    let diff = cli.json(&["policy", "diff", &strict]);
    let keys: Vec<&str> = diff["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["key"].as_str().unwrap())
        .collect();
    assert!(diff["differences"].as_array().unwrap().iter().all(|one| one["gives_root"] == false));
    assert_eq!(
        keys,
        ["class.render-transcode.entry", "class.render-transcode.tier", "policy-version"]
    );
    let without = DEFAULT.replace("[class.render-transcode]", "[class.rendering]");
    let without = file(folder.path(), "without.toml", without);
    let said = cli.run(&["policy", "diff", &without]).ok().out;
    assert_eq!(said.matches("class.render-transcode").count(), 1, "{said}");
    assert!(said.contains("class.rendering.root   ROOT: "), "{said}");
    let checked = cli.run(&["policy", "check", &without]).ok().out;
    assert!(checked.contains("ROOT: ") && checked.contains("rendering"), "{checked}");
    let dry = cli.json(&["policy", "apply", &strict, "--dry-run"]);
    assert!(dry["rooted"].as_array().unwrap().contains(&Value::from("software-build")), "{dry}");
    assert_eq!((&dry["changed"], &dry["held"]), (&Value::Bool(true), &Value::from(1)));
    assert_eq!(cli.json(&["policy", "show"])["version"], "default-2", "a dry run changes nothing");
    let wrong = "0".repeat(64);
    cli.run(&["policy", "apply", &strict, "--replaces", &wrong]).fails(1, &["[policy.replaced]"]);
    cli.json(&["policy", "apply", &strict]);

    assert_eq!(cli.json(&["policy", "show"])["version"], "strict-1");
    assert_eq!(cli.json(&["why", &job])["code"], "policy.barred");
    cli.run(&submit).fails(4, &["[class.prohibited]", "house rule 1"]);
    let adopted = facts(&cli, "policy_adopted");
    assert_eq!(adopted.len(), 2);
    assert!(adopted[1]["by"].as_str().is_some_and(|by| !by.is_empty()), "{:?}", adopted[1]["by"]);
    let refused = facts(&cli, "submission_refused");
    assert_eq!(refused[0]["policy_hash"], adopted[1]["hash"], "each decision has its policy");
    let first = facts(&cli, "job_submitted");
    assert_eq!(first[0]["policy_hash"], adopted[0]["hash"], "and keeps it");
}

#[test]
fn a_policy_file_that_cannot_be_is_refused_with_its_line_and_changes_nothing() {
    let folder = scratch();
    let cli = Cli::alone(folder.path());
    let check = |text: &str, words: &[&str]| {
        let path = file(folder.path(), "policy.toml", text);
        cli.run(&["policy", "check", &path]).fails(1, words);
    };

    check("policy-version = \"1\"\n[class.a]\ntier = \"permited\"\n", &["line 3", "permited"]);
    check(
        "policy-version = \"1\"\nformat = 7\n[class.a]\nnew = 1\n",
        &["format 7", "later release"],
    );
    check(
        "policy-version = \"1\"\n[class.a]\ntier = \"prohibited\"\nentry = \"x\"\n",
        &["lets no class run", "drain"],
    );
    check("not toml at all", &["line 1"]);
    check("", &["policy-version"]);
    check(
        "policy-version = \"1\"\n[class.a]\ntier = \"permited\"\n[detector]\nhardst = 1\n[class.B]\ntier = \"review\"\n",
        &["line 3", "permited", "line 5", "`hardest`", "line 6", "class name `B`"],
    );
}

#[test]
fn approvals_are_given_listed_told_and_taken_back() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let submit = |project: &str| {
        let submit = ["submit", "--class", "hash-heavy", "--project", project, "-q", "--"];
        let said = cli.run(&[&submit[..], &["sha256sum", "/bin/true"]].concat());
        said.ok().out.trim().to_owned()
    };
    let waiting = submit("archive");
    assert_eq!(cli.json(&["why", &waiting])["code"], "policy.review");

    let scope = "class=hash-heavy,project=archive";
    let approve = ["approve", "--for", scope, "--until", "+1h", "--reason", "contract 7"];
    let given = cli.json(&approve);

    assert_eq!((&given["class"], &given["project"]), (&"hash-heavy".into(), &"archive".into()));
    assert_eq!(cli.run(&["wait", &waiting]).code, 0, "it goes without a review of its own");
    let covered = submit("archive");
    assert_eq!(cli.run(&["wait", &covered]).code, 0);
    let other = submit("elsewhere");
    assert_eq!(cli.json(&["why", &other])["code"], "policy.review");
    let like = ["approve", "--like", &other, "--until", "+1h", "--reason", "read it"];
    let alike = cli.json(&like);
    assert_eq!(alike["content"], cli.json(&["show", &other])["content"]);
    assert_eq!(cli.run(&["wait", &other]).code, 0);
    let listed = cli.json(&["approvals"])["approvals"].as_array().unwrap().len();
    assert_eq!(listed, 2);
    let id = given["id"].to_string();
    cli.run(&["unapprove", &id, "--reason", "over"]).ok();
    cli.run(&["unapprove", &id, "--reason", "over"]).fails(1, &["[approval.unknown]"]);
    assert_eq!(cli.json(&["why", &submit("archive")])["code"], "policy.review");
    for (scope, until, code, exit) in [
        ("class=ai-training", "+1h", "approval.not-needed", 1),
        ("class=pow-mining", "+1h", "class.prohibited", 4),
        ("class=hash-heavy", "+9000h", "approval.too-long", 1),
        ("class=hash-haevy", "+1h", "class.unknown", 1),
    ] {
        let approve = ["approve", "--for", scope, "--until", until, "--reason", "x"];
        cli.run(&approve).fails(exit, &[&format!("[{code}]")]);
    }
    let ends = facts(cli, "approval_ended");
    assert_eq!(ends.len(), 1);
    assert!(ends[0]["policy_hash"].as_str().is_some_and(|hash| !hash.is_empty()));
}

#[test]
fn an_uploaded_program_with_a_proof_of_work_function_is_refused_in_any_packing() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let folder = shared.folder("bad");
    fs::create_dir(folder.join("tools")).unwrap();
    let plain = file(&folder, "train", proof());
    file(&folder.join("tools"), "libm.so", proof());
    let tools = folder.join("tools").to_str().unwrap().to_owned() + "/";
    let submit = |input: &str| {
        cli.run(&["submit", "--class", "ai-training", "--input", input, "--", "./train"])
    };

    submit(&plain).fails(4, &["[content.proof-of-work]", "input train"]);
    submit(&tools).fails(4, &["[content.proof-of-work]", "libm.so"]);
    // What was found is remembered: the same bytes under another name.
    let other = file(&folder, "weights", proof());
    submit(&other).fails(4, &["[content.proof-of-work]", "input weights"]);

    let refused = facts(cli, "submission_refused");
    let found = refused.iter().filter(|fact| fact["code"] == "content.proof-of-work");
    let signs: Vec<_> = found.map(|fact| fact["marks"][0]["sign"].clone()).collect();
    assert_eq!(signs, ["proof-of-work"; 3]);
}

#[test]
fn a_program_in_quarantine_is_found_inside_what_is_brought_and_its_finding_is_listed() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let folder = shared.folder("packed");
    fs::create_dir(folder.join("tools")).unwrap();
    let text = "#!/bin/sh\necho packed in with others\n";
    file(&folder.join("tools"), "run.sh", text);
    file(&folder.join("tools"), "readme", "nothing");
    let tools = folder.join("tools").to_str().unwrap().to_owned() + "/";
    let submit = ["submit", "--class", "industrial-data", "-q", "--input", &tools, "--", "true"];
    cli.run(&submit).ok();
    let digest = hash_of(text.as_bytes()).to_string();

    cli.run(&["quarantine", "--add", &digest, "--reason", "a known miner"]).ok();

    // The same bytes were looked at before, for another list.
    cli.run(&submit).fails(4, &["[content.known-digest]", "run.sh", &digest]);
    let found = cli.json(&["findings"])["findings"].take();
    let found = found.as_array().unwrap().iter().find(|one| one["class"] == "industrial-data");
    let rules = &found.unwrap()["verdicts"][0]["rule"];
    assert_eq!(rules, "content.known-digest");
    cli.run(&["quarantine", "--release", &digest, "--reason", "it was not"]).ok();
    cli.run(&submit).ok();
}

#[test]
fn a_script_with_a_word_at_which_the_policy_looks_waits_for_a_person_and_says_why() {
    let shared = CLUSTER.get();
    let cli = &shared.cli;
    let submit = ["submit", "--class", "ai-training", "--name", "夜间挖矿", "-q", "--", "true"];

    let job = cli.run(&submit).ok().out.trim().to_owned();

    let why = cli.json(&["why", &job]);
    assert_eq!(why["code"], "content.review", "{why}");
    assert!(why["text"].as_str().unwrap().contains("name"), "{why}");
    cli.run(&["review", &job, "--approve", "--reason", "it is the name of a film"]).ok();
    assert_eq!(cli.run(&["wait", &job]).code, 0);
}

#[test]
fn a_plan_says_what_would_be_refused_for_what_it_says() {
    let shared = CLUSTER.get();
    let first = std::hint::black_box("mining");
    let script = format!("#!/bin/sh\necho {first}.subscribe {first}.submit\n");
    let script = file(&shared.folder("plan"), "run.sh", script);

    let said = shared.cli.run(&["plan", "--class", "ai-training", &script]);

    said.fails(4, &["[content.pool-client]"]);
}

#[test]
fn what_is_in_quarantine_is_refused_opens_a_finding_and_is_in_the_report() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let cli = Cli::new(&cell.data().join("client.toml"), folder.path());
    let text = "#!/bin/sh\necho a program of its own\n";
    let script = file(folder.path(), "run.sh", text);
    let digest = hash_of(text.as_bytes()).to_string();
    let submit = ["submit", "--class", "ai-training", "-q", &script];
    cli.run(&submit).ok();
    for silent in [
        &["quarantine", "--reason", "x"][..],
        &["quarantine", "--add", &digest],
        &["findings", "--follow", "--all"],
        &["findings", "--job", "0"],
    ] {
        assert_eq!(cli.run(silent).code, 2, "{silent:?} would be passed over in silence");
    }

    cli.run(&["quarantine", "--add", &digest, "--reason", "a known miner"]).ok();
    cli.run(&submit).fails(4, &["[policy.quarantined]", "the script", "a known miner"]);

    let found = cli.json(&["findings", "show", "1"]);
    let state = (&found["state"], &found["source"], &found["job"], &found["frozen"]);
    assert_eq!(state, (&"open".into(), &"admission".into(), &Value::Null, &Value::Bool(false)));
    let listed = cli.run(&["findings"]).ok().out;
    assert!(listed.contains("refused") && !listed.contains("frozen"), "{listed}");
    cli.run(&["findings", "evidence", "1"]).fails(1, &["no evidence"]);
    let said = cli.run(&["findings", "confirm", "1", "--reason", "it is"]).ok();
    assert!(format!("{}{}", said.out, said.err).contains("stays in quarantine"));
    let report = cli.run(&["report", "compliance", "-o", "json"]).ok().json();
    assert_eq!(report["findings"]["total"], 1);
    assert_eq!(report["findings"]["lines"][0]["state"], "confirmed");
    cli.run(&["quarantine", "--release", &digest, "--reason", "it was not"]).ok();
    cli.run(&submit).ok();
    let (put, released) = (facts(&cli, "digest_quarantined"), facts(&cli, "digest_released"));
    assert_eq!((put.len(), released.len()), (1, 1));
    assert_eq!(put[0]["reason"], "a known miner");
}

const RULES: &str = "[admission]\nyara-rules = '''\nrule harvest {\n  strings:\n    $a = \"cobalt harvest\"\n  \
                     condition:\n    $a\n}\n'''\n";

#[cfg(not(feature = "yara"))]
#[test]
fn a_policy_with_rules_of_yara_is_refused_by_a_build_without_them_wherever_it_comes() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let cli = Cli::new(&cell.data().join("client.toml"), folder.path());
    let ruled = file(folder.path(), "ruled.toml", DEFAULT.replace("[admission]\n", RULES));

    for verb in ["check", "diff", "apply"] {
        cli.run(&["policy", verb, &ruled]).fails(1, &["no rules of YARA", "--features yara"]);
    }

    let data = folder.path().join("other").display().to_string();
    let start = ["scheduler", "--data", &data, "--listen", "127.0.0.1:0", "--policy", &ruled];
    cli.run(&start).fails(2, &["no rules of YARA", "line "]);
}

#[cfg(feature = "yara")]
#[test]
fn rules_of_yara_are_checked_by_line_and_refuse_what_they_match() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let cli = Cli::new(&cell.data().join("client.toml"), folder.path());
    let ruled = DEFAULT.replace("[admission]\n", RULES);
    let line = 1 + ruled.lines().position(|line| line.contains("$a = ")).unwrap();
    let wrong = file(folder.path(), "wrong.toml", ruled.replace("    $a\n", "    $b\n"));
    cli.run(&["policy", "check", &wrong]).fails(1, &[&format!("line {}: ", line + 2)]);
    let ruled = file(folder.path(), "ruled.toml", &ruled);
    cli.run(&["policy", "apply", &ruled]).ok();

    let submit = ["submit", "--class", "sci-simulation", "-q", "--", "echo"];
    cli.run(&[&submit[..], &["cobalt harvest"]].concat())
        .fails(4, &["[content.policy-rule]", "harvest"]);
    cli.run(&[&submit[..], &["nothing of it"]].concat()).ok();
}
