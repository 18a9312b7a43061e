//! What job files say, and what is wrong with bad ones.

use proptest::prelude::*;

use super::*;

fn error(text: &str) -> (String, String) {
    let error = read("job.toml", text).expect_err("a bad file");
    (error.to_string(), error.hint())
}

#[test]
fn every_key_says_what_its_option_says() {
    let text = r#"
        name = "sweep"
        class = "ai-training"
        project = "vision"
        command = ["./train", "--lr", 0.1]
        array = "0-31%4"
        priority = -5
        start-after = 2026-05-01T18:30:00+08:00
        after = [12, "not-ok:13"]
        after-any = 14
        after-not-ok = [15]
        cpus = 0.5
        memory = "4GiB"
        disk = "10G"
        workdir = "fresh"
        time-limit = "2h"
        grace = "30s"
        retries = 2
        system-retries = 5
        deadline = 2026-05-02T18:30:00+08:00
        expect = "90m"
        nodes = 4
        ranks-per-node = 2
        layout = "pack"
        label = ["gpu=v100|p100", "!slow"]
        isa = "x86-64-v3"
        exclusive = true
        or = ["cpus=16,memory=8G", "cpus=8,licence=1"]
        checkpoint-signal = "USR1"

        [extra]
        licence = 1

        [env]
        EPOCHS = 10
        "ODD NAME" = "x=y"
    "#;
    let options = [
        "--name=sweep",
        "--class=ai-training",
        "--project=vision",
        "--array=0-31%4",
        "--priority=-5",
        "--start-after=2026-05-01T18:30:00+08:00",
        "--after=12,not-ok:13",
        "--after-any=14",
        "--after-not-ok=15",
        "--cpus=0.5",
        "--memory=4GiB",
        "--disk=10G",
        "--workdir=fresh",
        "--time-limit=2h",
        "--grace=30s",
        "--retries=2",
        "--system-retries=5",
        "--deadline=2026-05-02T18:30:00+08:00",
        "--expect=90m",
        "--nodes=4",
        "--ranks-per-node=2",
        "--layout=pack",
        "--label=gpu=v100|p100",
        "--label=!slow",
        "--isa=x86-64-v3",
        "--exclusive",
        "--or=cpus=16,memory=8G",
        "--or=cpus=8,licence=1",
        "--checkpoint-signal=USR1",
        "--extra=licence=1",
        "--env=EPOCHS=10",
        "--env=ODD NAME=x=y",
    ];

    let document = read("job.toml", text).expect("a good file");

    assert_eq!(document.command, ["./train", "--lr", "0.1"]);
    assert_eq!(document.draft, Line::try_parse_from(options).expect("good options").draft);
}

#[test]
fn there_is_a_key_for_every_option_and_no_other() {
    let command = Line::command();
    let mut options: Vec<&str> =
        command.get_arguments().filter_map(|option| option.get_long()).collect();
    options.extend(["command", "script"]);
    options.sort_unstable();

    assert_eq!(names(), options);
}

#[test]
fn a_misspelt_key_is_named_with_its_place_and_the_nearest_one() {
    assert_eq!(
        error("name = \"a\"\n  memori = \"4G\"\n"),
        (
            "job.toml, line 2, column 3: a job has no key `memori`".into(),
            "did you mean `memory`?".into()
        )
    );
    assert!(error("qqq = 1\n").1.starts_with("a job has: after, after-any, after-not-ok, array,"));
}

#[test]
fn malformed_toml_is_told_with_its_place() {
    let (message, _) = error("name = \"a\"\ncpus = = 2\n");

    assert!(message.starts_with("job.toml, line 2, column "), "{message}");
}

#[test]
fn a_bad_value_is_told_with_its_place() {
    assert_eq!(
        error("cpus = 0\n").0,
        "job.toml, line 1, column 8: invalid value '0' for '--cpus <NUMBER>': a task asks for 0 cpus; the least is 0.001"
    );
    assert_eq!(
        error("cpus = true\n").0,
        "job.toml, line 1, column 8: `cpus` is true or false, but must be a text or a decimal number"
    );
    assert_eq!(
        error("command = \"true\"\n").0,
        "job.toml, line 1, column 11: `command` is a text, but must be a list of the program and its arguments"
    );
    assert_eq!(
        error("exclusive = \"no\"\n").0,
        "job.toml, line 1, column 13: `exclusive` is a text, but must be true or false"
    );
    assert_eq!(
        error("env = [\"A=1\"]\n").0,
        "job.toml, line 1, column 7: `env` is a list, but must be a table of names and values"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}", key in "[a-z-]{1,15}", value in "[ -~]{0,40}") {
        drop(read("job.toml", &text));
        drop(read("job.toml", &format!("{key} = {value}\n")));
    }
}
