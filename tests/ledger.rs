//! What was done to a ledger shows; `sqlite3` reads what is in it.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, SyncSender};

use repower_core::fact::Fact;
use repower_model::Timestamp;
use repower_proto::convert;
use repower_store::journal::{Entry, Journal as _, Ledger as _};
use repower_store::sqlite::{Journal, Reader};
use serde_json::Value;
use support::by_hand::Cell;
use support::cli::{Cli, Said};
use support::shared::{Place, Shared, Sharing, file, scratch};

/// A cell whose scheduler has ended, with its data folder and a head that was kept outside.
static ENDED: Sharing = Sharing::of(ended_cell);

fn ended_cell(tell: &SyncSender<Place>, end: &Receiver<()>) {
    let folder = scratch();
    let mut cell = Cell::start(folder.path(), &["--cell", "ledger.example"]);
    cell.add_agent("n1", &["--cpus", "2"]);
    cell.cli.wait_for(&["--name", "good", "--array", "0-7"], "echo $REPOWER_TASK_INDEX").ok();
    let head = cell.cli.run(&["ledger", "head"]).ok();
    file(folder.path(), "kept.head", &head.bytes);
    assert_eq!(cell.cli.wait_for(&["--name", "bad"], "exit 3").code, 3);
    assert_eq!(cell.cli.wait_for(&["--name", "killed"], "kill -9 $$").code, 137);
    let place = Place::new(folder.path(), &cell.data(), &cell.url);
    // All in order, so that nothing is left to be written.
    drop(cell);
    tell.send(place).unwrap();
    assert!(end.recv().is_err(), "nobody sends");
}

/// A copy of the data folder, to be tampered with.
struct Copy {
    folder: tempfile::TempDir,
    cli: Cli,
    kept: PathBuf,
}

impl Copy {
    fn of(shared: &Shared) -> Self {
        let folder = scratch();
        for entry in fs::read_dir(&shared.data).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
            }
        }
        let cli = Cli::alone(folder.path());
        Self { folder, cli, kept: shared.cli.folder.join("kept.head") }
    }

    fn sql(&self, statement: &str) -> String {
        sql(&self.folder.path().join("ledger.db"), statement)
    }

    fn facts(&self) -> u64 {
        self.sql("SELECT count(*) FROM facts").trim().parse().unwrap()
    }

    fn verify(&self, options: &[&str]) -> Said {
        let data = self.folder.path().to_str().unwrap();
        self.cli.run(&[&["ledger", "verify", "--data", data], options].concat())
    }

    fn verify_against(&self, head: &Path) -> Said {
        self.verify(&["--against", head.to_str().unwrap()])
    }

    /// Asserts that the ledger does not hold, and that what is named first is this.
    #[track_caller]
    fn names(&self, place: &str, what: &str) {
        let said = self.verify(&[]).fails(1, &["the ledger does not hold"]);
        let wanted = format!("because: {place}: ");
        let line = said.err.lines().find(|line| line.starts_with("because: ")).unwrap();
        assert!(line.starts_with(&wanted) && line.contains(what), "{line}");
        let json = self.verify(&["-o", "json"]).json();
        assert_eq!((&json["holds"], &json["first_bad"]["place"]), (&false.into(), &place.into()));
    }
}

/// Runs a statement with the program that everybody has.
fn sql(database: &Path, statement: &str) -> String {
    let mut command = Command::new("sqlite3");
    Said::by(command.arg(database).arg(statement), b"").ok().out
}

#[test]
fn a_ledger_that_nobody_touched_holds_and_agrees_with_the_head_that_was_kept() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);

    let said = copy.verify_against(&copy.kept).ok();

    assert!(said.out.contains(&format!("holds: {} facts", copy.facts())), "{said:?}");
    assert!(said.out.contains("the head from outside agrees"), "{said:?}");
}

#[test]
fn a_ledger_that_was_wiped_does_not_hold() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);

    copy.sql("DELETE FROM facts; DELETE FROM kept_heads; DELETE FROM newest_head");

    copy.verify(&[]).fails(1, &["the ledger has no facts", "was wiped"]);
    assert_eq!(copy.verify(&["-o", "json"]).code, 1);
}

#[test]
fn a_flipped_byte_of_a_body_is_named() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);
    let body = copy.sql("SELECT hex(body) FROM facts WHERE seq = 5");
    let last = if body.trim().ends_with('0') { '1' } else { '0' };
    let body = format!("{}{last}", &body.trim()[..body.trim().len() - 1]);

    copy.sql(&format!("UPDATE facts SET body = X'{body}' WHERE seq = 5"));

    copy.names("fact 5", "its bytes were changed");
}

#[test]
fn a_flipped_bit_of_any_fact_is_named() {
    let shared = ENDED.get();

    for seq in 0..Copy::of(&shared).facts() {
        let copy = Copy::of(&shared);
        let body = copy.sql(&format!("SELECT hex(body) FROM facts WHERE seq = {seq}"));
        let mut digits = body.trim().to_owned();
        let middle = digits.len() / 2;
        let digit = u8::from_str_radix(&digits[middle..=middle], 16).unwrap() ^ 1;
        digits.replace_range(middle..=middle, &format!("{digit:X}"));
        copy.sql(&format!("UPDATE facts SET body = X'{digits}' WHERE seq = {seq}"));

        let said = copy.verify(&[]).fails(1, &[]);

        assert!(said.err.contains(&format!("because: fact {seq}: ")), "{said:?}");
    }
}

#[test]
fn a_changed_leaf_is_named() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);

    copy.sql("UPDATE facts SET leaf = (SELECT leaf FROM facts WHERE seq = 1) WHERE seq = 6");

    copy.names("fact 6", "leaf hash was changed");
}

#[test]
fn a_deleted_row_is_named() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);

    copy.sql("DELETE FROM facts WHERE seq = 7");

    copy.names("fact 7", "it is missing; the next one there is 8");
}

#[test]
fn two_swapped_rows_are_named_by_the_first() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);

    copy.sql(
        "UPDATE facts SET seq = -1 WHERE seq = 3; UPDATE facts SET seq = 3 WHERE seq = 4; \
         UPDATE facts SET seq = 4 WHERE seq = -1",
    );

    copy.names("fact 3", "fact 4");
}

#[test]
fn a_cut_tail_is_named_by_the_first_fact_that_is_gone() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);
    let cut = copy.facts() - 3;

    copy.sql(&format!("DELETE FROM facts WHERE seq >= {cut}"));

    copy.names(&format!("fact {cut}"), "it and what follows is missing");
}

#[test]
fn a_cut_tail_with_an_old_head_put_back_is_caught_by_the_head_that_was_kept() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);
    // The older head stands in the database, and it was signed with the true key.
    let size = copy.sql("SELECT min(size) FROM kept_heads").trim().to_owned();
    copy.sql(&format!(
        "DELETE FROM facts WHERE seq >= {size}; DELETE FROM kept_heads WHERE size > {size}; \
         UPDATE newest_head SET (size, at_ms, root, note) = \
         (SELECT size, at_ms, root, note FROM kept_heads WHERE size = {size})"
    ));

    let alone = copy.verify(&[]);
    let against = copy.verify_against(&copy.kept);

    alone.ok();
    against.fails(1, &[&format!("fact {size}"), "kept outside"]);
}

#[test]
fn a_fact_that_somebody_added_is_named() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);
    let size = copy.facts();

    copy.sql(&format!("INSERT INTO facts SELECT {size}, body, leaf FROM facts WHERE seq = 2"));

    copy.names(&format!("fact {size}"), "no head covers it");
}

/// Writes another history with the same key: what whoever has root can do.
fn rewritten(shared: &Shared, change: impl Fn(&mut Vec<u8>, u64)) -> Copy {
    let copy = Copy::of(shared);
    let origin = "ledger.example";
    let reader = Reader::open(copy.folder.path()).unwrap();
    let facts = reader.entries(0, 1 << 20).unwrap();
    drop(reader);
    for name in ["ledger.db", "ledger.vkey"] {
        fs::remove_file(copy.folder.path().join(name)).unwrap();
    }
    let mut journal = Journal::open(copy.folder.path(), origin).unwrap();
    for fact in facts {
        let (seq, mut body) = (fact.seq, fact.body);
        change(&mut body, seq);
        let at = convert::decode(&body).unwrap().at;
        journal.append(&[Entry { seq, body }], &[], at).unwrap();
    }
    copy
}

#[test]
fn a_rewritten_history_that_verifies_by_itself_is_caught_by_a_head_that_was_kept() {
    let shared = ENDED.get();
    // As if the operator had always been another.
    let copy = rewritten(&shared, |body, _| {
        let mut entry = convert::decode(body).unwrap();
        if let Fact::JobSubmitted(submitted) = &mut entry.fact {
            submitted.submitter = "somebody-else".into();
        }
        *body = convert::encode(&entry);
    });

    let alone = copy.verify(&[]);
    let against = copy.verify_against(&copy.kept);

    alone.ok();
    against.fails(1, &["kept outside", "the history was rewritten"]);
}

#[test]
fn the_same_history_signed_again_is_no_rewriting() {
    let shared = ENDED.get();
    let copy = rewritten(&shared, |_, _| ());

    copy.verify_against(&copy.kept).ok();
}

#[test]
fn a_head_of_another_cell_does_not_pass_for_one_of_this() {
    let shared = ENDED.get();
    let (copy, other) = (Copy::of(&shared), scratch());
    let mut journal = Journal::open(other.path(), "other.example").unwrap();
    let body = b"a fact".to_vec();
    journal.append(&[Entry { seq: 0, body }], &[], Timestamp::from_millis(1)).unwrap();
    let note = journal.latest_head().unwrap().unwrap().note;
    let head = file(other.path(), "other.head", note);

    let said = copy.verify_against(Path::new(&head));

    let told = "other.head has a head of other.example, and this ledger is";
    assert!(!said.err.contains("cannot be trusted"), "{said:?}");
    said.fails(1, &[told, "take a head of this cell"]);
}

#[test]
fn a_file_that_is_no_head_is_told_as_that_and_raises_no_alarm() {
    let shared = ENDED.get();
    let (copy, other) = (Copy::of(&shared), scratch());
    let text = file(other.path(), "notes.txt", "buy milk\n");

    let said = copy.verify_against(Path::new(&text));

    assert!(!said.err.contains("cannot be trusted"), "{said:?}");
    said.fails(1, &["notes.txt has no signed head in it", "`repower ledger head`"]);
}

#[test]
fn facts_and_growth_can_be_proved_to_an_outsider() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);
    let data = copy.folder.path().to_str().unwrap();
    let prove =
        |words: &[&str]| copy.cli.run(&[&["ledger", "prove", "--data", data], words].concat());

    let fact = prove(&["4"]).ok();
    let growth = prove(&["--consistency", copy.kept.to_str().unwrap()]).ok();
    let beyond = prove(&["100000"]);
    copy.sql("UPDATE facts SET body = X'0102' WHERE seq = 4");
    let forged = prove(&["4"]);

    assert!(fact.out.contains("fact 4 is in the ledger of ledger.example"), "{fact:?}");
    assert!(growth.out.contains("has only grown"), "{growth:?}");
    beyond.fails(1, &["100000", &copy.facts().to_string()]);
    forged.fails(1, &["the proof does not hold"]);
}

#[test]
fn a_consistency_proof_fails_on_a_rewritten_history() {
    let shared = ENDED.get();
    let copy = rewritten(&shared, |body, seq| {
        if seq == 3 {
            let mut entry = convert::decode(body).unwrap();
            entry.at = Timestamp::from_millis(entry.at.as_millis() + 1);
            *body = convert::encode(&entry);
        }
    });
    let data = copy.folder.path().to_str().unwrap();

    let words = ["ledger", "prove", "--data", data, "--consistency", copy.kept.to_str().unwrap()];
    copy.cli.run(&words).fails(1, &["the proof does not hold"]);
}

#[test]
fn an_export_verifies_elsewhere_and_a_changed_line_is_named() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);
    let data = copy.folder.path().to_str().unwrap();
    let elsewhere = scratch();
    let text = copy.cli.run(&["ledger", "export", "--data", data]).ok().out;
    let verify = |name: &str, text: &str| {
        let path = file(elsewhere.path(), name, text);
        let kept = copy.kept.to_str().unwrap();
        Cli::alone(elsewhere.path()).run(&[
            "ledger",
            "verify",
            "--export",
            &path,
            "--key",
            &format!("{data}/ledger.vkey"),
            "--against",
            kept,
        ])
    };
    let mut lines: Vec<&str> = text.lines().collect();

    verify("whole", &text).ok();
    lines.swap(4, 5);
    verify("swapped", &(lines.join("\n") + "\n")).fails(1, &["fact 4"]);
    lines.swap(4, 5);
    lines.remove(6);
    verify("shorter", &(lines.join("\n") + "\n")).fails(1, &["fact 6"]);
    verify("cut", &text[..text.len() / 2]).fails(1, &[]);
}

#[test]
fn the_heads_that_were_kept_are_listed_and_a_running_scheduler_verifies_as_its_folder_does() {
    let folder = scratch();
    let cell = Cell::start(folder.path(), &[]);
    let head = cell.cli.run(&["ledger", "head"]).ok();
    let kept = file(folder.path(), "kept.head", &head.bytes);
    cell.cli.submit(&["--", "true"]);
    let data = cell.data();

    let heads = cell.cli.json(&["ledger", "heads"]);
    let asked = cell.cli.run(&["ledger", "verify", "--against", &kept]).ok();
    let words = ["ledger", "verify", "--against", &kept, "--data", data.to_str().unwrap()];
    let read = Cli::alone(folder.path()).run(&words).ok();

    assert!(head.out.starts_with("repower\n"), "{head:?}");
    assert!(!heads["heads"].as_array().unwrap().is_empty());
    assert_eq!(asked.out, read.out);
}

#[test]
fn sqlite3_lists_ended_jobs_with_class_node_exit_code_and_times() {
    let shared = ENDED.get();
    let copy = Copy::of(&shared);

    let rows = sql(
        &copy.folder.path().join("ledger.db"),
        "SELECT json_group_array(json_object('name', name, 'class', class, 'nodes', nodes, \
         'state', state, 'exit_code', exit_code, 'submitted', submitted, 'started', started, \
         'ended', ended)) FROM ended_jobs",
    );

    let rows: Vec<Value> = serde_json::from_str(&rows).unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).expect("a row of it");
    for (name, state, code) in
        [("good", "succeeded", 0), ("bad", "failed", 3), ("killed", "failed", 137)]
    {
        let row = row(name);
        assert_eq!(
            (&row["class"], &row["nodes"]),
            (&"software-build".into(), &"n1".into()),
            "{row}"
        );
        assert_eq!((&row["state"], &row["exit_code"]), (&state.into(), &code.into()), "{row}");
        let times = ["submitted", "started", "ended"].map(|key| row[key].as_str().unwrap());
        assert!(
            times.is_sorted() && times[0].starts_with("20") && times[0].ends_with('Z'),
            "{row}"
        );
    }
    let attempts = copy
        .sql("SELECT attempt, node, outcome, exit_code FROM attempt_history WHERE name = 'bad'");
    assert!(attempts.trim().ends_with(".0#1|n1|exited|3"), "{attempts}");
}
