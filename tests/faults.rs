//! What can be wrong with the world: each is told with what to do, and nothing is harmed by it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;
use support::by_hand::{Cell, scheduler};
use support::cli::{Cli, Said};
use support::gate::Gate;
use support::shared::{Shared, Sharing, file, scheduler_alone, scratch};
use support::tmpfs::Disk;

/// A scheduler that runs, to be disturbed in ways that do it no harm.
static CELL: Sharing = Sharing::of(scheduler_alone);

/// An address at which nobody listens.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A profile like another, with another address.
fn profile_at(shared: &Shared, folder: &Path, address: &str) -> Cli {
    let text = fs::read_to_string(&shared.cli.profile).unwrap();
    let profile = file(folder, "client.toml", text.replace(&shared.url, address));
    Cli::new(Path::new(&profile), folder)
}

/// Tries to start a scheduler with this data folder.
fn start_at(data: &Path, options: &[&str]) -> Said {
    let folder = scratch();
    let words = ["scheduler", "--listen", "127.0.0.1:0", "--log", "error", "--data"];
    let words = [&words[..], &[data.to_str().unwrap()], options].concat();
    Cli::alone(folder.path()).run(&words)
}

/// A data folder that a scheduler has left in order, with a few facts in it.
fn left() -> (tempfile::TempDir, PathBuf) {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    for _ in 0..5 {
        cell.cli.submit(&["--", "true"]);
    }
    cell.stop_scheduler();
    let data = cell.data();
    (folder, data)
}

/// Writes over a part of a file.
fn overwrite(path: &Path, from: u64, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, from).unwrap();
}

fn sqlite3(database: &Path, statement: &str) {
    Said::by(Command::new("sqlite3").arg(database).arg(statement), b"").ok();
}

/// Tries to enrol an agent with a join file.
fn enrol(folder: &Path, name: &str, join: &Path, options: &[&str]) -> Said {
    let data = folder.join(format!("data-of-{name}"));
    let (data, join) = (data.to_str().unwrap(), join.to_str().unwrap());
    let words = ["agent", "--data", data, "--name", name, "--join", join, "--log", "error"];
    Cli::alone(folder).run(&[&words, options].concat())
}

#[test]
fn a_scheduler_that_is_not_there_is_told_with_its_address_and_exit_code_3() {
    let (shared, folder, nobody) = (CELL.get(), scratch(), nobody());
    let address = format!("https://{nobody}");
    let cli = profile_at(&shared, folder.path(), &address);

    for words in [&["jobs"][..], &["wait", "1"], &["ledger", "verify"], &["nodes"]] {
        cli.run(words).fails(3, &[&address, "cannot reach the scheduler", "repower scheduler"]);
    }
    shared.cli.run(&["jobs", "--scheduler", &address]).fails(3, &[&address]);
}

#[test]
fn a_submission_to_a_scheduler_that_is_not_there_ends_with_exit_code_3() {
    let (shared, folder, nobody) = (CELL.get(), scratch(), nobody());
    let cli = profile_at(&shared, folder.path(), &format!("https://{nobody}"));

    cli.run(&["submit", "--class", "software-build", "--", "true"]).fails(3, &[&nobody]);
}

#[test]
fn who_does_not_speak_tls_is_told_apart_from_nobody() {
    let (shared, folder) = (CELL.get(), scratch());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let cli = profile_at(&shared, folder.path(), &address);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        }
    });

    cli.run(&["jobs"]).fails(3, &[&address, "is not a Repower scheduler"]);
}

#[test]
fn a_missing_or_wrong_profile_is_told_with_its_place() {
    let folder = scratch();
    let cli = Cli::alone(folder.path());

    cli.run(&["jobs"]).fails(2, &["client.toml", "--profile"]);
    file(
        folder.path(),
        "client.toml",
        "scheduler = \"https://a:1\"\nautority = \"x\"\ntoken = \"y\"\n",
    );
    cli.run(&["jobs"]).fails(2, &["client.toml", "line 2, column 1", "autority", "authority"]);
}

#[test]
fn a_port_in_use_is_named() {
    let folder = scratch();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let data = folder.path().join("data");

    let words =
        ["scheduler", "--data", data.to_str().unwrap(), "--listen", &address, "--log", "error"];
    let said = Cli::alone(folder.path()).run(&words);

    said.fails(1, &[&address, "is in use", "--listen"]);
    assert!(!data.exists(), "it leaves no ledger behind");
}

#[test]
fn an_address_that_is_not_of_this_machine_is_named() {
    let folder = scratch();
    let data = folder.path().join("data");

    // TEST-NET-1: no machine has it.
    let words = [
        "scheduler",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        "192.0.2.1:0",
        "--log",
        "error",
    ];
    let said = Cli::alone(folder.path()).run(&words);

    said.fails(1, &["192.0.2.1:0", "--listen"]);
}

#[test]
fn a_file_in_place_of_the_data_folder_is_named() {
    let folder = scratch();
    let path = file(folder.path(), "data", "not a folder");

    start_at(Path::new(&path), &[]).fails(1, &[&path, "folder"]);
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let disk = Disk::mount(64);
    disk.make_read_only();
    let data = disk.path().join("data");

    start_at(&data, &[]).fails(1, &[data.to_str().unwrap(), "write"]);
}

#[test]
fn a_data_folder_of_a_newer_version_is_left_alone() {
    let (_folder, data) = left();
    let ledger = data.join("ledger.db");
    sqlite3(&ledger, "PRAGMA user_version = 99");
    let before = fs::read(&ledger).unwrap();

    start_at(&data, &[]).fails(1, &["newer version", "99", "start the version"]);

    assert!(fs::read(&ledger).unwrap() == before, "it was changed");
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    let folder = scratch();
    let data = folder.path().join("data");
    fs::create_dir(&data).unwrap();
    sqlite3(&data.join("ledger.db"), "CREATE TABLE recipes (name TEXT)");

    start_at(&data, &[]).fails(1, &["another program", "ledger.db"]);
}

#[test]
fn a_scheduler_that_ends_in_order_leaves_one_whole_file() {
    let (folder, data) = left();
    let copy = folder.path().join("copy");
    fs::create_dir(&copy).unwrap();

    fs::copy(data.join("ledger.db"), copy.join("ledger.db")).unwrap();

    let words =
        |data: &Path| ["ledger", "verify", "--data", data.to_str().unwrap()].map(str::to_owned);
    let verify = |data: &Path| {
        let words = words(data);
        Cli::alone(folder.path()).run(&words.each_ref().map(String::as_str)).ok().out
    };
    assert_eq!(verify(&copy), verify(&data));
}

#[test]
fn a_truncated_database_is_told_with_what_to_do() {
    let (_folder, data) = left();
    let ledger = data.join("ledger.db");
    let length = fs::metadata(&ledger).unwrap().len();
    fs::OpenOptions::new().write(true).open(&ledger).unwrap().set_len(length / 2).unwrap();

    start_at(&data, &[]).fails(1, &["ledger.db", "damaged", "backup"]);
}

#[test]
fn a_database_cut_to_nothing_is_told_with_what_to_do() {
    let (_folder, data) = left();
    fs::write(data.join("ledger.db"), "").unwrap();

    start_at(&data, &[]).fails(1, &["ledger.db", "there was one", "backup"]);
}

#[test]
fn a_corrupted_database_is_told_with_what_to_do() {
    for from in [0, 4096] {
        let (_folder, data) = left();
        let ledger = data.join("ledger.db");
        let length = fs::metadata(&ledger).unwrap().len();
        let noise = vec![0xa5; usize::try_from(length - from).unwrap()];
        overwrite(&ledger, from, &noise);

        let said = start_at(&data, &[]).fails(1, &["ledger.db", "damaged", "backup"]);

        assert!(said.err.contains(".recover"), "{said:?}");
        let words = ["ledger", "verify", "--data", data.to_str().unwrap()];
        Cli::alone(&data).run(&words).fails(1, &["ledger.db"]);
    }
}

#[test]
fn a_lost_database_or_key_is_not_made_anew() {
    let (_folder, data) = left();
    let (ledger, key) = (data.join("ledger.db"), data.join("ledger.key"));
    let bytes = fs::read(&ledger).unwrap();

    fs::remove_file(&ledger).unwrap();
    start_at(&data, &[]).fails(1, &["ledger.db", "backup"]);
    fs::write(&ledger, bytes).unwrap();
    fs::remove_file(&key).unwrap();
    start_at(&data, &[]).fails(1, &["ledger.key", "backup"]);

    assert!(!key.exists(), "a new key would sign the old history");
}

#[test]
fn another_cell_name_than_that_of_the_ledger_is_refused() {
    let (_folder, data) = left();

    start_at(&data, &["--cell", "other"]).fails(1, &["repower", "other"]);
}

#[test]
fn a_second_scheduler_on_the_same_data_folder_is_refused_and_the_first_goes_on() {
    let shared = CELL.get();

    start_at(&shared.data, &[]).fails(1, &["is in use by process", "stop the other scheduler"]);

    shared.cli.run(&["jobs"]).ok();
}

#[test]
fn a_wrong_configuration_or_policy_is_told_with_line_and_nearest_key() {
    let folder = scratch();
    let data = folder.path().join("data");
    let config = file(folder.path(), "scheduler.toml", "cell = \"a\"\nleese-ms = 2000\n");
    let policy = file(
        folder.path(),
        "policy.toml",
        "policy-version = \"1\"\n[class.a]\nteir = \"permitted\"\n",
    );

    start_at(&data, &["--config", &config])
        .fails(2, &["scheduler.toml", "line 2", "leese-ms", "lease-ms"]);
    start_at(&data, &["--policy", &policy]).fails(2, &["policy.toml", "line 3", "teir", "tier"]);
    start_at(&data, &["--lease", "1ms"]).fails(2, &["lease-ms", "1", "500"]);
    start_at(&data, &["--config", "no-such-file"]).fails(2, &["no-such-file"]);
}

#[test]
fn a_wrong_join_token_is_refused_with_what_to_do() {
    let (shared, folder) = (CELL.get(), scratch());
    let said = shared.cli.run(&["token", "join"]).ok();
    let mut table: toml::Table = said.out.parse().unwrap();
    table.insert("secret".into(), "rp_wrong".into());
    let join = file(folder.path(), "wrong.join", table.to_string());

    enrol(folder.path(), "a1", Path::new(&join), &[]).fails(4, &["token", "repower token join"]);
}

#[test]
fn an_expired_a_revoked_and_a_foreign_join_token_are_refused() {
    let (shared, folder) = (CELL.get(), scratch());
    let join = |name: &str, options: &[&str]| {
        let said = shared.cli.run(&[&["token", "join"], options].concat()).ok();
        let id = said.err.split(&[' ', ','][..]).find_map(|word| word.parse::<u64>().ok());
        (PathBuf::from(file(folder.path(), name, said.bytes)), id.unwrap().to_string())
    };
    let (expired, _) = join("expired.join", &["--valid-for", "1ms"]);
    let (revoked, id) = join("revoked.join", &[]);
    let (foreign, _) = join("foreign.join", &["--node", "rig-07"]);
    shared.cli.run(&["token", "revoke", &id]).ok();

    enrol(folder.path(), "a2", &expired, &[]).fails(4, &["has expired", "repower token join"]);
    enrol(folder.path(), "a3", &revoked, &[]).fails(4, &["not valid here"]);
    enrol(folder.path(), "a4", &foreign, &[]).fails(4, &["rig-07", "a4"]);
}

#[test]
fn a_malformed_join_file_is_told_with_its_line() {
    let folder = scratch();
    let join = file(folder.path(), "bad.join", "scheduler = \"https://a:1\"\nautority = \"x\"\n");

    enrol(folder.path(), "a5", Path::new(&join), &[]).fails(1, &["bad.join", "line 2", "autority"]);
    enrol(folder.path(), "a5", Path::new("no.join"), &[]).fails(1, &["no.join"]);
    let none = Cli::alone(folder.path()).run(&["agent", "--data", "nothing", "--log", "error"]);
    none.fails(2, &["has not enrolled", "--join"]);
}

#[test]
fn an_agent_does_not_enrol_with_who_has_another_authority() {
    let (shared, folder) = (CELL.get(), scratch());
    let other = Cell::start(folder.path(), &[]);
    let said = shared.cli.run(&["token", "join"]).ok();
    let join = file(folder.path(), "other.join", said.out.replace(&shared.url, &other.url));

    enrol(folder.path(), "a6", Path::new(&join), &[]).fails(3, &[&other.url, "trusts"]);
}

#[test]
fn a_used_join_token_a_taken_name_and_a_shared_folder_are_refused_and_the_first_agent_goes_on() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);
    let used = folder.path().join("n1.join");
    let fresh = cell.join_file("fresh", &[]);

    enrol(folder.path(), "n2", &used, &[]).fails(4, &["has been used", "repower token join"]);
    enrol(folder.path(), "n1", &fresh, &[]).fails(1, &["n1", "--name"]);
    let data = folder.path().join("n1").display().to_string();
    let words = ["agent", "--data", &data, "--log", "error"];
    Cli::alone(folder.path()).run(&words).fails(1, &["another agent", &data]);

    cell.cli.wait_for(&[], "exit 0").ok();
    let nodes = cell.cli.json(&["nodes"]);
    assert_eq!(nodes["nodes"].as_array().unwrap().len(), 1, "{nodes}");
}

#[test]
fn who_waits_and_who_follows_outlive_a_restart_of_the_scheduler() {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);
    let gate = Gate::new(folder.path(), "gate");
    let line = format!("echo first; {}", gate.told("here", "echo second; exit 7"));
    let submit = ["submit", "--class", "software-build", "--wait", "-q", "--"];
    let words = [&submit[..], &["/bin/sh", "-c", &line]].concat();
    let mut waiting = Talking::start(&cell.cli, &words);
    let job = waiting.line();
    gate.wait_for("here");
    let mut following = Talking::start(&cell.cli, &["logs", "-f", job.trim()]);
    assert_eq!(following.line(), "first\n");

    cell.kill_scheduler();
    cell.start_scheduler(&[]);
    gate.open();

    assert_eq!(following.rest(), ("second\n".to_owned(), Some(0)));
    assert_eq!(waiting.rest(), (String::new(), Some(7)));
}

/// A command whose words are read while it runs; killed when it is dropped.
struct Talking {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Talking {
    fn start(cli: &Cli, words: &[&str]) -> Self {
        let mut child = cli.command(words).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.out.read_line(&mut line).unwrap();
        line
    }

    /// What it says until it ends, and the code that it ends with.
    fn rest(&mut self) -> (String, Option<i32>) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    let (disk, folder) = (Disk::mount(8 << 10), scratch());
    let data = disk.path().join("scheduler");
    let cli = Cli::new(&data.join("client.toml"), folder.path());
    let mut daemon = scheduler(&cli, &data, "127.0.0.1:0", &[]);
    daemon.ready();
    let submit = |key: &str| {
        // Held, so that no agent is missed, and large, so that what SQLite had in reserve is soon used up.
        let script = format!("#!/bin/sh\n#{}\n", "x".repeat(100_000));
        let words = ["submit", "-", "--class", "hash-heavy", "--key", key, "-o", "json"];
        cli.run_with(&words, script.as_bytes())
    };
    let key = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    let first = submit(&key(0)).ok().json();

    disk.fill();
    let mut acknowledged = vec![first["job"].clone()];
    let refused = (1..200)
        .find_map(|number| {
            let said = submit(&key(number));
            if said.code == 0 {
                acknowledged.push(said.json()["job"].clone());
                return None;
            }
            Some((number, said))
        })
        .expect("the disk is full");
    let again = submit(&key(refused.0));
    let still = cli.json(&["jobs", "--all", "-n", "1000"]);
    disk.free();
    // It looks whether there is space again a few times a second.
    let one = (0..1000).map(|_| submit(&key(refused.0))).find(|said| said.code == 0).unwrap();
    let (one, two) = (one.json(), submit(&key(refused.0)).ok().json());
    let after = cli.json(&["jobs", "--all", "-n", "1000"]);

    for said in [&refused.1, &again] {
        let error: serde_json::Value = serde_json::from_str(&said.err).unwrap();
        assert_eq!(error["error"]["code"], "store.full", "{said:?}");
        assert!(said.err.contains("is full") && said.err.contains("free space"), "{said:?}");
    }
    let ids = |jobs: &serde_json::Value| -> Vec<serde_json::Value> {
        let jobs = jobs["jobs"].as_array().unwrap().iter();
        jobs.map(|job| job["id"].clone()).rev().collect()
    };
    assert_eq!(ids(&still), acknowledged);
    assert_eq!((&one["created"], &two["created"]), (&json!(true), &json!(false)));
    assert_eq!(one["job"], two["job"]);
    acknowledged.push(one["job"].clone());
    assert_eq!(ids(&after), acknowledged);
    cli.run(&["ledger", "verify"]).ok();
    assert!(daemon.stop().success());
    let mut daemon = scheduler(&cli, &data, "127.0.0.1:0", &[]);
    daemon.ready();
    assert!(daemon.stop().success(), "it starts again from what it has written");
}

#[test]
fn what_ends_while_the_disk_is_full_is_told_when_there_is_space_again() {
    let (disk, folder) = (Disk::mount(8 << 10), scratch());
    std::os::unix::fs::symlink(disk.path(), folder.path().join("scheduler")).unwrap();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.add_agent("n1", &["--cpus", "1"]);
    let gate = Gate::new(folder.path(), "gate");
    let job = cell.cli.submit(&["--", "/bin/sh", "-c", &gate.told("here", "echo through; exit 6")]);
    gate.wait_for("here");
    let cli = cell.cli.clone();
    let waited = job.clone();
    let waiting = std::thread::spawn(move || cli.run(&["wait", &waited]));

    disk.fill();
    gate.open();
    // The scheduler has noticed when a submission is refused.
    let script = format!("#!/bin/sh\n#{}\n", "x".repeat(100_000));
    let words = ["submit", "-", "--class", "hash-heavy"];
    let full = (0..200).any(|_| cell.cli.run_with(&words, script.as_bytes()).code != 0);
    disk.free();

    assert!(full, "the disk is full");
    assert_eq!(waiting.join().unwrap().code, 6);
    assert_eq!(cell.cli.run(&["logs", &job]).ok().out, "through\n");
    cell.cli.run(&["ledger", "verify"]).ok();
}

#[test]
fn a_ledger_older_than_its_snapshot_is_refused() {
    let (folder, data) = left();
    let kept = folder.path().join("older.db");
    fs::copy(data.join("ledger.db"), &kept).unwrap();
    let mut cell = Cell::start(folder.path(), &[]);
    cell.cli.submit(&["--", "true"]);
    cell.stop_scheduler();

    fs::copy(&kept, data.join("ledger.db")).unwrap();

    start_at(&data, &[]).fails(1, &["its tail is lost", "restore the whole data folder"]);
}
