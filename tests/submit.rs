//! What can be asked of a cluster, and what comes of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fs;

use repower_proto::v1::{JobState, SubmitReply, SubmitRequest};
use serde_json::{Value, json};
use support::cli::Cli;
use support::gate::Gate;
use support::shared::{Sharing, cluster, file};
use support::{ended, runtime, shell, start, verified};

static CLUSTER: Sharing = Sharing::of(cluster);

/// Submits under a key; several connections take turns.
async fn submit_under(
    clients: &[repower::client::Client],
    key: [u8; 16],
    times: usize,
) -> Vec<SubmitReply> {
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..times {
        let mut jobs = clients[at % clients.len()].jobs();
        let request = SubmitRequest { key: key.to_vec(), spec: Some(shell("echo once")) };
        calls.spawn(async move { jobs.submit(request).await.unwrap().into_inner() });
    }
    calls.join_all().await
}

/// The facts of a job in the ledger, by kind.
fn facts(cli: &Cli, kind: &str) -> Vec<Value> {
    let exported = cli.run(&["ledger", "export", "--readable"]).ok();
    let lines = exported.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let facts = lines.filter_map(|mut line| line.get_mut(kind).map(Value::take));
    facts.collect()
}

/// The state of a job.
fn state(cli: &Cli, job: &str) -> Value {
    cli.json(&["show", job])["state"].take()
}

#[test]
fn one_key_submitted_a_hundred_times_in_parallel_gives_one_job_also_after_its_end_and_a_restart() {
    runtime().block_on(async {
        let (_folder, mut cluster) = start(1, Some(2)).await;
        let key = *uuid::Uuid::new_v4().as_bytes();
        let mut clients = Vec::new();
        for _ in 0..4 {
            clients.push(cluster.client().await.unwrap());
        }

        let replies = submit_under(&clients, key, 100).await;
        let jobs: BTreeSet<u64> = replies.iter().map(|reply| reply.job).collect();
        let job = *jobs.first().unwrap();
        ended(&clients[0], job).await;
        let after_its_end = submit_under(&clients, key, 10).await;
        cluster.kill_scheduler().await;
        cluster.start_scheduler().await.unwrap();
        let client = cluster.client().await.unwrap();
        let after_a_restart = submit_under(std::slice::from_ref(&client), key, 10).await;

        assert_eq!(jobs.len(), 1, "several jobs: {jobs:?}");
        assert_eq!(replies.iter().filter(|reply| reply.created).count(), 1);
        for reply in after_its_end.iter().chain(&after_a_restart) {
            assert_eq!((reply.job, reply.created), (job, false));
        }
        let attempts = client
            .jobs()
            .attempts(repower_proto::v1::AttemptsRequest { job, ..Default::default() })
            .await;
        assert_eq!(attempts.unwrap().into_inner().attempts.len(), 1, "it ran once");
        verified(&cluster);
        cluster.stop().await;
    });
}

#[test]
fn one_key_from_the_command_line_gives_one_job() {
    let shared = CLUSTER.get();
    let key = "8c9a3f34-3e7c-4a4f-9f0b-6f3a1f0c2b11";
    let submit = || {
        let words = ["submit", "--class", "software-build", "--key", key, "--", "true"];
        shared.cli.json(&words)
    };

    let (first, second) = (submit(), submit());

    assert_eq!(first["job"], second["job"]);
    assert_eq!((&first["created"], &second["created"]), (&json!(true), &json!(false)));
}

#[test]
fn a_script_speaks_for_its_job_and_the_command_line_wins() {
    let shared = CLUSTER.get();
    let folder = shared.folder("script");
    let script = file(
        &folder,
        "job.sh",
        "#!/bin/sh\n#REPOWER --name told --class ai-training --cpus 2\n#REPOWER --time-limit 1h\necho \"$REPOWER_JOB_NAME $1\"\n",
    );

    let job = shared.cli.run(&["submit", &script, "--cpus", "1", "-q", "--", "word"]).ok();
    let job = job.out.trim();
    shared.cli.run(&["wait", job]).ok();

    let shown = shared.cli.json(&["show", job]);
    assert_eq!((&shown["name"], &shown["class"]), (&json!("told"), &json!("ai-training")));
    assert_eq!(shown["spec"]["resources"]["cpu_milli"], 1000, "{shown}");
    assert_eq!(shared.cli.run(&["logs", job]).ok().out, "told word\n");
}

#[test]
fn a_script_from_standard_input_runs() {
    let shared = CLUSTER.get();
    let script = b"#!/bin/sh\n#REPOWER --class software-build\necho from a stream\n";

    let job = shared.cli.run_with(&["submit", "-", "--wait", "-q"], script).ok();

    assert_eq!(shared.cli.run(&["logs", job.out.trim()]).ok().out, "from a stream\n");
}

#[test]
fn a_job_file_says_all_that_options_say() {
    let shared = CLUSTER.get();
    let folder = shared.folder("file");
    let text = "name = \"filed\"\nclass = \"data-processing\"\nproject = \"p1\"\n\
        command = [\"/bin/sh\", \"-c\", \"echo $WORD $REPOWER_TASK_INDEX; pwd\"]\n\
        cpus = 0.5\nmemory = \"16MiB\"\narray = \"3,5\"\npriority = 7\nworkdir = \"/tmp\"\n\
        time-limit = \"1m\"\nretries = 1\n[env]\nWORD = \"two words\"\n";
    let path = file(&folder, "job.toml", text);

    let job = shared.cli.run(&["submit", &path, "--wait", "-q"]).ok();
    let job = job.out.trim();

    let shown = shared.cli.json(&["show", job]);
    let told = ["name", "class", "project", "priority", "state"].map(|key| shown[key].clone());
    let wanted =
        [json!("filed"), json!("data-processing"), json!("p1"), json!(7), json!("succeeded")];
    assert_eq!(told, wanted);
    let log = |task| shared.cli.run(&["logs", job, "--task", task]).ok().out;
    assert_eq!(log("3"), "two words 3\n/tmp\n");
    assert_eq!(log("5"), "two words 5\n/tmp\n");
}

#[test]
fn each_task_of_an_array_knows_its_place_by_its_environment() {
    let shared = CLUSTER.get();
    let line = "echo $REPOWER_JOB_ID $REPOWER_TASK_INDEX $REPOWER_TASK_COUNT $REPOWER_ATTEMPT";

    let said = shared.cli.wait_for(&["--array", "1-9:2%2"], line).ok();
    let job = said.out.trim();

    let logs = shared.cli.run(&["logs", job]).ok();
    let lines: BTreeSet<&str> = logs.out.lines().collect();
    let wanted = [1, 3, 5, 7, 9].map(|index| format!("{job}.{index} | {job} {index} 5 1"));
    assert_eq!(lines, wanted.iter().map(String::as_str).collect());
}

#[test]
fn waiting_ends_with_the_code_of_the_job() {
    let shared = CLUSTER.get();
    let code = |options: &[&str], line: &str| shared.cli.wait_for(options, line).code;

    assert_eq!(code(&[], "exit 0"), 0);
    assert_eq!(code(&[], "exit 3"), 3);
    assert_eq!(code(&[], "kill -9 $$"), 137);
    assert_eq!(code(&["--time-limit", "200ms", "--grace", "1s"], "exec sleep 60"), 124);
    assert_eq!(code(&["--array", "0-3%1"], "exit $((REPOWER_TASK_INDEX * 10))"), 10);
    let submit = ["submit", "--class", "software-build", "--wait", "-q", "--", "/no/such/program"];
    assert_eq!(shared.cli.run(&submit).code, 126);
}

#[test]
fn wait_gives_the_code_of_a_job_that_has_ended_before() {
    let shared = CLUSTER.get();
    let job = shared.cli.submit(&["--", "/bin/sh", "-c", "exit 5"]);

    assert_eq!(shared.cli.run(&["wait", &job]).code, 5);
    assert_eq!(shared.cli.run(&["wait", &job]).code, 5);
}

#[test]
fn a_dependent_job_runs_after_the_right_end_only() {
    let shared = CLUSTER.get();
    let gate = Gate::new(&shared.cli.folder, "dependency");
    let good = shared.cli.submit(&["--", "/bin/sh", "-c", &gate.then("exit 0")]);
    let bad = shared.cli.submit(&["--", "/bin/sh", "-c", &gate.then("exit 1")]);
    let after = |option: &str, job: &str| shared.cli.submit(&[option, job, "--", "true"]);

    let run = [after("--after", &good), after("--after-not-ok", &bad), after("--after-any", &bad)];
    let never = [after("--after", &bad), after("--after-not-ok", &good)];
    let why = shared.cli.json(&["why", &run[0]]);
    gate.open();

    assert_eq!(why["code"], "dependency.waiting");
    assert!(why["text"].as_str().unwrap().contains(&good), "{why}");
    for job in &run {
        assert_eq!(shared.cli.run(&["wait", job]).code, 0, "job {job}");
    }
    for job in &never {
        shared.cli.run(&["wait", job]);
        assert_eq!(state(&shared.cli, job), "cancelled", "job {job}");
    }
}

#[test]
fn a_dependency_that_cannot_be_met_any_more_is_refused_at_once() {
    let shared = CLUSTER.get();
    let bad = shared.cli.submit(&["--", "false"]);
    shared.cli.run(&["wait", &bad]);
    let submit = |after: &str| {
        shared.cli.run(&["submit", "--class", "software-build", "--after", after, "--", "true"])
    };

    submit(&bad).fails(1, &["[dependency.failed]", &bad, "--after-any"]);
    submit("999999").fails(1, &["[dependency.unknown]", "999999"]);
}

#[test]
fn a_task_that_fails_is_tried_again_as_often_as_its_retries_say() {
    let shared = CLUSTER.get();
    let folder = shared.folder("retries");
    let count = folder.join("count").display().to_string();
    let line = format!("echo try $REPOWER_ATTEMPT >> {count}; [ $(wc -l < {count}) -ge 3 ]");

    let saved = shared.cli.wait_for(&["--retries", "2"], &line).ok();
    let lost = shared.cli.wait_for(&["--retries", "1"], "exit 4");

    assert_eq!(fs::read_to_string(&count).unwrap(), "try 1\ntry 2\ntry 3\n");
    let attempts = |job: &str| {
        let shown = shared.cli.json(&["show", job, "--attempts", "10"]);
        shown["attempts"].as_array().unwrap().len()
    };
    assert_eq!(attempts(saved.out.trim()), 3);
    assert_eq!((lost.code, attempts(lost.out.trim())), (4, 2));
}

#[test]
fn resubmit_failed_runs_only_what_failed() {
    let shared = CLUSTER.get();
    let folder = shared.folder("resubmit");
    let ran = folder.join("ran").display().to_string();
    let line = format!(
        "echo $REPOWER_TASK_INDEX >> {ran}; case $REPOWER_TASK_INDEX in 2|5) [ -e {ran}.mended ];; esac"
    );
    let first = shared.cli.wait_for(&["--array", "0-7"], &line);
    fs::write(format!("{ran}.mended"), "").unwrap();
    fs::remove_file(&ran).unwrap();

    let again = shared.cli.run(&["resubmit", first.out.trim(), "--failed", "--wait", "-q"]);

    assert_eq!((first.code, again.code), (1, 0), "{again:?}");
    let ran: BTreeSet<String> =
        fs::read_to_string(&ran).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(ran, ["2", "5"].map(str::to_owned).into());
}

#[test]
fn a_job_that_is_cancelled_stops_and_the_ledger_keeps_who_and_why() {
    let shared = CLUSTER.get();
    let gate = Gate::new(&shared.cli.folder, "cancel");
    let line = gate.told("here", "exit 0");
    let job = shared.cli.submit(&["--array", "0-99%1", "--", "/bin/sh", "-c", &line]);
    gate.wait_for("here");

    let said = shared.cli.json(&["cancel", &job, "--reason", "wrong data"]);
    shared.cli.run(&["wait", &job]);

    assert_eq!(said["cancelled"][0]["pending"], 99, "{said}");
    assert_eq!(said["cancelled"][0]["stopping"], 1, "{said}");
    assert_eq!(state(&shared.cli, &job), "cancelled");
    let number: u64 = job.parse().unwrap();
    let facts = facts(&shared.cli, "tasks_cancelled");
    let fact = facts.iter().find(|fact| fact["job"] == number).expect("a fact");
    assert_eq!(fact["reason"], "wrong data");
    let some = shared.cli.run(&["cancel", "999998", "999999", &job, "-o", "json"]);
    assert_eq!((some.code, some.err.as_str()), (1, ""), "one document: {some:?}");
    let refused = &some.json()["refused"];
    assert_eq!((&refused[0]["job"], &refused[1]["job"]), (&json!(999_998), &json!(999_999)));
    assert_eq!(refused[1]["code"], "job.unknown", "{refused}");
    assert!(!fact["by"].as_str().unwrap_or_default().is_empty(), "{fact}");
    shared.cli.run(&["cancel", &job]).fails(1, &["[job.ended]"]);
}

#[test]
fn some_tasks_of_a_job_are_cancelled_and_the_others_go_on() {
    let shared = CLUSTER.get();
    let gate = Gate::new(&shared.cli.folder, "some");
    let line = gate.told("here", "exit 0");
    let job = shared.cli.submit(&["--array", "0-9%1", "--", "/bin/sh", "-c", &line]);
    gate.wait_for("here");

    shared.cli.run(&["cancel", &format!("{job}.4-9")]).ok();
    gate.open();
    shared.cli.run(&["wait", &job]);

    let tasks = shared.cli.json(&["show", &job])["tasks"].take();
    assert_eq!((&tasks["succeeded"], &tasks["cancelled"]), (&json!(4), &json!(6)), "{tasks}");
}

#[test]
fn a_class_under_review_waits_for_a_person_with_a_reason() {
    let shared = CLUSTER.get();
    let submit = ["submit", "--class", "hash-heavy", "--", "true"];
    let (one, other) = (shared.cli.json(&submit), shared.cli.json(&submit));
    let (one, other) = (one["job"].to_string(), other["job"].to_string());
    let review = |job: &str, how: &str, reason: &str| {
        shared.cli.run(&["review", job, how, "--reason", reason])
    };

    let why = shared.cli.json(&["why", &one]);
    review(&one, "--approve", " ").fails(1, &["[review.reason-missing]"]);
    let before = state(&shared.cli, &one);
    review(&one, "--approve", "deduplication of the archive").ok();
    review(&other, "--deny", "no project").ok();

    assert_eq!((why["code"].as_str(), before), (Some("policy.review"), json!("held")));
    assert_eq!(shared.cli.run(&["wait", &one]).code, 0);
    shared.cli.run(&["wait", &other]);
    assert_eq!(state(&shared.cli, &other), "cancelled");
    let reasons: BTreeSet<String> =
        facts(&shared.cli, "job_reviewed").iter().map(|fact| fact["reason"].to_string()).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    review(&one, "--approve", "again").fails(1, &[&one]);
}

#[test]
fn undeclared_and_prohibited_work_is_refused_and_both_are_facts() {
    let shared = CLUSTER.get();

    let undeclared = shared.cli.run(&["submit", "--name", "nameless", "--", "true"]);
    undeclared.fails(1, &["[class.undeclared]", "ai-training", "sci-simulation"]);
    let prohibited =
        shared.cli.run(&["submit", "--name", "mine", "--class", "pow-mining", "--", "true"]);
    prohibited.fails(4, &["[class.prohibited]", "淘汰类"]);

    let refused = facts(&shared.cli, "submission_refused");
    let code = |name: &str| {
        refused.iter().find(|fact| fact["name"] == name).map(|fact| fact["code"].clone())
    };
    assert_eq!(code("nameless"), Some(json!("class.undeclared")));
    assert_eq!(code("mine"), Some(json!("class.prohibited")));
}

#[test]
fn a_job_starts_not_before_the_time_that_it_asks_for() {
    let shared = CLUSTER.get();
    let job = shared.cli.submit(&["--start-after", "+1500ms", "--", "true"]);

    let why = shared.cli.json(&["why", &job]);
    let summary = runtime().block_on(async {
        let client = shared.client().await;
        let show = repower_proto::v1::ShowJobRequest { job: job.parse().unwrap() };
        let spec = client.jobs().show(show).await.unwrap().into_inner().spec.unwrap();
        (ended(&client, job.parse().unwrap()).await, spec.start_after_ms)
    });

    assert_eq!(why["code"], "time.start-after", "{why}");
    let (summary, asked) = summary;
    assert_eq!(summary.state(), JobState::Succeeded);
    assert!(summary.started_ms >= asked, "{} < {asked}", summary.started_ms);
}

#[test]
fn a_drained_node_gets_no_new_work_and_the_higher_priority_goes_first_when_it_is_back() {
    runtime().block_on(async {
        let (folder, cluster) = start(1, Some(1)).await;
        let cli = Cli::new(&cluster.profile_path(), folder.path());
        cli.run(&["drain", "n1", "--reason", "new disk"]).ok();
        let with = |priority: &str| cli.submit(&["--priority", priority, "--", "true"]);

        let (low, high) = (with("-5"), with("5"));
        let why = cli.json(&["why", &low]);
        let nodes = cli.json(&["nodes"]);
        cli.run(&["resume", "n1"]).ok();
        cli.run(&["wait", &low, &high]).ok();

        assert_eq!(why["code"], "nodes.none", "{why}");
        let left: Vec<_> = why["funnel"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| step["nodes_left"].clone())
            .collect();
        assert_eq!((left.first(), left.last()), (Some(&json!(1)), Some(&json!(0))), "{why}");
        assert!(nodes.to_string().contains("new disk"), "{nodes}");
        let started =
            |job: &str| cli.json(&["show", job])["started_at"].as_str().unwrap().to_owned();
        assert!(started(&high) < started(&low), "the low priority went first");
        cluster.stop().await;
    });
}

#[test]
fn why_names_the_exhausted_dimension_with_numbers() {
    runtime().block_on(async {
        let (folder, cluster) = start(1, Some(2)).await;
        let cli = Cli::new(&cluster.profile_path(), folder.path());
        let gate = Gate::new(folder.path(), "busy");
        let line = gate.told("here", "exit 0");
        let busy = cli.submit(&["--cpus", "1.5", "--", "/bin/sh", "-c", &line]);
        gate.wait_for("here");
        let waits = cli.submit(&["--cpus", "2", "--", "true"]);

        let why = cli.json(&["why", &waits]);
        let said = cli.run(&["why", &waits]).ok();
        gate.open();
        cli.run(&["wait", &busy, &waits]).ok();

        assert_eq!(why["code"], "resources.busy", "{why}");
        let short = &why["shortages"][0];
        assert_eq!(short["dimension"], "cpus", "{why}");
        let numbers = ["asked", "free", "most"].map(|key| short[key].clone());
        assert_eq!(numbers, [2000, 500, 2000].map(Value::from), "{why}");
        assert!(said.out.contains("cpus") && said.out.contains("0.5"), "{said:?}");
        cluster.stop().await;
    });
}

#[test]
fn what_no_node_could_ever_hold_is_refused_with_both_numbers() {
    let shared = CLUSTER.get();
    let submit = |option: &str, value: &str| {
        shared.cli.run(&["submit", "--class", "software-build", option, value, "--", "true"])
    };

    submit("--memory", "900TiB").fails(1, &["900 TiB", "GiB", "[job.task-too-large]"]);
    submit("--cpus", "64").fails(1, &["64", "has 4", "[job.task-too-large]"]);
    submit("--extra", "licence=2").fails(1, &["licence", "2", "[job.task-too-large]"]);
}
