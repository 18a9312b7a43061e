//! Programs that behave badly: each is told apart, none harms the node or another.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use repower_proto::v1::{JobSpec, JobState};
use rustix::process::Pid;
use serde_json::{Value, json};
use support::by_hand::{Cell, has_ended};
use support::gate::Gate;
use support::shared::{Shared, Sharing, file, frugal_cell, scratch};
use support::{ended, runtime, submit};

/// What the cell keeps of each stream.
const KEPT: usize = 64 << 10;

static CELL: Sharing = Sharing::of(frugal_cell);

/// How the first task of a job ended.
fn outcome(shared: &Shared, job: &str) -> Value {
    shared.cli.json(&["show", &format!("{job}.0")])["attempts"][0]["outcome"].take()
}

/// Submits a program of the node, waits, and returns the job and the code.
fn run(shared: &Shared, options: &[&str], command: &[&str]) -> (String, i32) {
    let submit = ["submit", "--class", "software-build", "--wait", "-q"];
    let said = shared.cli.run(&[&submit, options, &["--"], command].concat());
    (said.out.trim().to_owned(), said.code)
}

/// Asserts that a program could not be started, and that the reason has these words.
#[track_caller]
fn not_started(shared: &Shared, options: &[&str], command: &[&str], words: &[&str]) {
    let (job, code) = run(shared, options, command);
    let outcome = outcome(shared, &job);
    assert_eq!((code, &outcome["kind"]), (126, &json!("not-started")), "{outcome}");
    let detail = outcome["detail"].as_str().unwrap();
    for word in words {
        assert!(detail.contains(word), "`{word}` is not in `{detail}`");
    }
}

#[test]
fn a_command_that_is_not_there_fails_with_126_and_says_where_it_was_looked_for() {
    let shared = CELL.get();

    not_started(&shared, &[], &["no-such-program"], &["no-such-program", "PATH", "install"]);
    not_started(&shared, &[], &["/no/such/program"], &["/no/such/program", "check the path"]);
}

#[test]
fn a_program_without_its_execute_bit_fails_with_126_and_says_chmod() {
    let shared = CELL.get();
    let path = file(&shared.cli.folder, "bare.sh", "#!/bin/sh\nexit 0\n");

    not_started(&shared, &[], &[&path], &["bare.sh", "chmod +x"]);
}

#[test]
fn a_folder_and_a_text_are_no_programs() {
    let shared = CELL.get();
    let path = file(&shared.cli.folder, "text", "neither program nor script\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();

    not_started(&shared, &[], &["/tmp"], &["is a folder"]);
    not_started(&shared, &[], &[&path], &["#!"]);
}

#[test]
fn an_interpreter_that_is_not_there_is_named() {
    let shared = CELL.get();
    let script = file(&shared.cli.folder, "python.sh", "#!/no/such/python\nprint(1)\n");

    let said = shared.cli.run(&["submit", &script, "--class", "software-build", "--wait", "-q"]);

    assert_eq!(said.code, 126);
    let outcome = outcome(&shared, said.out.trim());
    assert!(outcome["detail"].as_str().unwrap().contains("/no/such/python"), "{outcome}");
}

#[test]
fn a_working_folder_that_is_not_there_is_named() {
    let shared = CELL.get();

    not_started(&shared, &["--workdir", "/no/such/folder"], &["true"], &["/no/such/folder"]);
}

#[test]
fn what_is_no_script_is_refused_before_it_is_sent() {
    let shared = CELL.get();
    let refused = |name: &str, text: &[u8], words: &[&str]| {
        let path = file(&shared.cli.folder, name, text);
        let words = [&[name], words].concat();
        shared.cli.run(&["submit", &path, "--class", "software-build"]).fails(2, &words);
    };

    refused("none.sh", b"echo no first line\n", &["#!"]);
    refused("empty.sh", b"", &["is empty"]);
    refused("blank.sh", b" \n\t\n", &["is empty"]);
    refused("program", b"\x7fELF\x02\x01\x01\0\0", &["zero byte at 7", "--"]);
    let large = [b"#!/bin/sh\n", vec![b'#'; 2 << 20].as_slice()].concat();
    refused("large.sh", &large, &["larger than 1048576 bytes"]);
    let missing = ["submit", "no-such.sh", "--class", "software-build"];
    shared.cli.run(&missing).fails(2, &["no-such.sh", "--"]);
}

#[test]
fn of_a_flood_of_output_the_beginning_and_the_end_stay_with_a_mark_between() {
    let shared = CELL.get();
    // Ten megabytes: 160 times what is kept.
    let line =
        "yes 'a line of the flood' | head -c 10000000; printf '\nthe error\n'; echo last words >&2";

    let job = shared.cli.wait_for(&[], line).ok().out.trim().to_owned();
    let logs = shared.cli.run(&["logs", &job]).ok();

    // The end may be half a chunk longer.
    let kept = logs.bytes.len();
    assert!((KEPT..=KEPT * 2).contains(&kept), "{kept}");
    assert!(logs.out.starts_with("a line of the flood\na line"), "{:.40}", logs.out);
    assert!(logs.out.ends_with("a line of the flood\n\nthe error\n"), "the end is there");
    assert!(
        logs.err.contains("bytes of stdout are missing here: it passed its bound"),
        "{}",
        logs.err
    );
    assert!(logs.err.contains("last words\n"), "{}", logs.err);
    let shown = shared.cli.json(&["show", &format!("{job}.0")]);
    let usage = &shown["attempts"][0]["usage"];
    let told = (&usage["stdout_bytes"], &usage["truncated"]);
    assert_eq!(told, (&json!(10_000_011), &json!(true)), "{usage}");
    // What is there and what is missing make up the whole.
    let pieces = shared.cli.run(&["logs", &job, "--stdout", "-o", "json"]).ok().out;
    let pieces: Vec<Value> =
        pieces.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let missing: u64 = pieces.iter().filter_map(|piece| piece["missing"].as_u64()).sum();
    assert_eq!(missing + kept as u64, 10_000_011);
}

#[test]
fn bytes_that_are_no_text_come_back_as_they_were() {
    let shared = CELL.get();
    let all: Vec<u8> = (0..=255).cycle().take(4096).collect();
    let path = file(&shared.cli.folder, "bytes", &all);

    let (job, _) = run(&shared, &[], &["cat", &path]);

    assert_eq!(shared.cli.run(&["logs", &job]).ok().bytes, all);
    let lines = shared.cli.run(&["logs", &job, "-o", "json"]).ok().out;
    assert!(lines.contains("\"base64\":\"AAECAwQF"), "{lines:.200}");
}

#[test]
fn a_task_ends_with_its_own_process_also_if_a_child_of_it_stays_in_the_group() {
    let shared = CELL.get();

    let job = shared.cli.wait_for(&[], "sleep 300 & echo $!").ok().out.trim().to_owned();

    // The child held the pipe, and went with the group.
    let child = shared.cli.run(&["logs", &job]).ok().out;
    let child = Pid::from_raw(child.trim().parse().unwrap()).unwrap();
    assert!(has_ended(child), "{child:?} is still there");
}

#[test]
fn a_child_that_leaves_its_session_and_holds_the_output_does_not_hold_the_task() {
    let shared = CELL.get();
    let gate = Gate::new(&shared.cli.folder, "daemon");
    // It goes with the gate, whatever happens.
    let line = format!("setsid sh -c '{}' & echo forked", gate.then("exit 0"));

    let said = shared.cli.wait_for(&[], &line).ok();

    let job = said.out.trim();
    assert_eq!(shared.cli.run(&["logs", job, "-f"]).ok().out, "forked\n");
    gate.open();
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_after_its_grace() {
    let shared = CELL.get();
    let gate = Gate::new(&shared.cli.folder, "deaf");
    let line = format!("trap '' TERM; {}", gate.told("deaf", "exit 0"));
    let words = ["--grace", "300ms", "--", "/bin/sh", "-c", &line];
    let job = shared.cli.submit(&words);
    gate.wait_for("deaf");

    shared.cli.run(&["cancel", &job]).ok();
    let code = shared.cli.run(&["wait", &job]).code;

    assert_eq!(code, 130);
    assert_eq!(outcome(&shared, &job)["kind"], "cancelled");
}

#[test]
fn a_task_that_hears_sigterm_may_tidy_up_within_its_grace() {
    let shared = CELL.get();
    let gate = Gate::new(&shared.cli.folder, "tidy");
    let line = format!("trap 'echo tidied; exit 0' TERM; {}", gate.told("here", "exit 0"));
    let job = shared.cli.submit(&["--grace", "60s", "--", "/bin/sh", "-c", &line]);
    gate.wait_for("here");

    shared.cli.run(&["cancel", &job]).ok();
    shared.cli.run(&["wait", &job]);

    assert_eq!(shared.cli.run(&["logs", &job]).ok().out, "tidied\n");
}

#[test]
fn a_task_beyond_its_time_limit_is_stopped_and_told_apart_from_a_cancelled_one() {
    let shared = CELL.get();
    let options = ["--time-limit", "300ms", "--grace", "200ms"];

    let (job, code) =
        run(&shared, &options, &["sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"]);

    assert_eq!((code, &outcome(&shared, &job)["kind"]), (124, &json!("timed-out")));
}

#[test]
fn logs_that_follow_end_with_the_task() {
    let shared = CELL.get();
    let gate = Gate::new(&shared.cli.folder, "follow");
    let line = gate.told("first", "echo second");
    let job = shared.cli.submit(&["--", "/bin/sh", "-c", &format!("echo one; {line}")]);
    gate.wait_for("first");
    let cli = shared.cli.clone();
    let following = {
        let job = job.clone();
        std::thread::spawn(move || cli.run(&["logs", "-f", &job]).ok())
    };

    gate.open();

    assert_eq!(following.join().unwrap().out, "one\nsecond\n");
}

#[test]
fn environment_and_working_folder_are_as_asked() {
    let shared = CELL.get();
    let folder = shared.folder("work");
    let options =
        ["--env", "WORD=two words", "--env", "EMPTY=", "--workdir", folder.to_str().unwrap()];
    let line =
        "echo \"$WORD|$EMPTY|$PWD|$REPOWER_NODE|$REPOWER_CLASS|$REPOWER_CPUS|${CARGO:-clean}\"";

    let (job, _) = run(&shared, &options, &["sh", "-c", line]);

    let said = shared.cli.run(&["logs", &job]).ok().out;
    let mut parts = said.trim_end().split('|');
    assert_eq!(parts.next(), Some("two words"));
    assert_eq!(parts.next(), Some(""));
    assert_eq!(parts.next(), folder.to_str());
    assert!(matches!(parts.next(), Some("n1" | "n2")), "{said}");
    assert_eq!((parts.next(), parts.next()), (Some("software-build"), Some("1")));
    // Nothing else of the agent's environment reaches its tasks.
    assert_eq!(parts.next(), Some("clean"));
}

#[test]
fn a_fresh_folder_is_empty_and_is_gone_when_the_task_is() {
    let shared = CELL.get();

    let job = shared.cli.wait_for(&[], "ls -A; touch mine; pwd").ok().out.trim().to_owned();

    let folder = shared.cli.run(&["logs", &job]).ok().out;
    assert_eq!(folder.lines().count(), 1, "it was not empty: {folder}");
    assert!(!fs::exists(folder.trim_end()).unwrap(), "{folder} is still there");
}

#[test]
fn a_variable_that_is_kept_for_repower_is_refused() {
    let shared = CELL.get();
    let submit = ["submit", "--class", "software-build", "--env", "REPOWER_NODE=x", "--", "true"];

    shared.cli.run(&submit).fails(1, &["REPOWER_", "[job.bad-text]"]);
}

#[test]
fn a_million_arguments_are_refused_with_both_numbers() {
    let shared = CELL.get();
    let words: Vec<String> = (0..1_000_000).map(|word| format!("\"{word}\"")).collect();
    let head = "name = \"million\"\nclass = \"software-build\"\n";
    let text = format!("{head}command = [\"true\", {}]\n", words.join(", "));
    let path = file(&shared.cli.folder, "million.toml", text);

    shared.cli.run(&["submit", &path]).fails(1, &["MiB", "1 MiB", "[job.too-large]"]);

    let jobs = shared.cli.json(&["jobs", "--all"]).to_string();
    assert!(!jobs.contains("million"), "nothing of it is kept: {jobs}");
}

#[test]
fn one_argument_that_the_kernel_does_not_take_is_told_in_bytes() {
    let shared = CELL.get();
    // Below what a job may be, above what execve takes for one string (128 KiB).
    let text =
        format!("class = \"software-build\"\ncommand = [\"true\", \"{}\"]\n", "x".repeat(200_000));
    let path = file(&shared.cli.folder, "long.toml", text);

    let said = shared.cli.run(&["submit", &path, "--wait", "-q"]);

    assert_eq!(said.code, 126);
    let outcome = outcome(&shared, said.out.trim());
    assert!(outcome["detail"].as_str().unwrap().contains("bytes"), "{outcome}");
}

#[test]
fn a_script_that_another_client_sends_without_a_first_line_is_run_by_the_shell() {
    let shared = CELL.get();
    let script = JobSpec {
        job_class: "software-build".into(),
        script: b"echo by the shell\n".to_vec(),
        ..JobSpec::default()
    };

    let (job, summary) = runtime().block_on(async {
        let client = shared.client().await;
        let job = submit(&client, script).await;
        (job, ended(&client, job).await)
    });

    assert_eq!(summary.state(), JobState::Succeeded);
    assert_eq!(shared.cli.run(&["logs", &job.to_string()]).ok().out, "by the shell\n");
}

#[test]
fn what_a_task_wrote_is_still_there_when_its_agent_is_killed() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &["--lease", "1s"]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let gate = Gate::new(folder.path(), "gate");
    let done = cell.cli.wait_for(&[], "echo done; echo well >&2").ok().out.trim().to_owned();
    let line = format!("echo half; {}", gate.told("here", "echo never"));
    let cut = cell.cli.submit(&["--system-retries", "0", "--", "/bin/sh", "-c", &line]);
    gate.wait_for("here");
    let mut following = cell.cli.command(&["logs", "-f", &cut]);
    let mut following = following.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut half = [0; 5];
    std::io::Read::read_exact(following.stdout.as_mut().unwrap(), &mut half).unwrap();

    cell.kill_agent();
    cell.cli.run(&["wait", &cut]);

    assert_eq!(half, *b"half\n");
    assert!(following.wait().unwrap().success(), "following ends with the task");
    let logs = cell.cli.run(&["logs", &done]).ok();
    assert_eq!((logs.out.as_str(), logs.err.as_str()), ("done\n", "well\n"));
    assert_eq!(cell.cli.run(&["logs", &cut]).ok().out, "half\n");
    let attempts = cell.cli.json(&["show", &format!("{cut}.0")]);
    assert_eq!(attempts["attempts"][0]["outcome"]["kind"], "lost", "{attempts}");
}

#[test]
fn a_lost_agent_that_comes_back_ends_what_it_had_left_running() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &["--lease", "1s"]);
    cell.add_agent("n1", &["--cpus", "2"]);
    let gate = Gate::new(folder.path(), "gate");
    let line = format!("echo $$; {}", gate.told("here", "exit 0"));
    let job = cell.cli.submit(&["--system-retries", "0", "--", "/bin/sh", "-c", &line]);
    gate.wait_for("here");
    let log = cell.cli.run(&["logs", &job]);
    cell.kill_agent();
    cell.cli.run(&["wait", &job]);

    cell.restart_agent("n1");

    let log = if log.out.is_empty() { cell.cli.run(&["logs", &job]).ok().out } else { log.out };
    let task = Pid::from_raw(log.trim().parse().unwrap()).unwrap();
    assert!(has_ended(task), "{task:?} still runs");
}
