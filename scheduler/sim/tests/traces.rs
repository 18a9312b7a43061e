//! Reading traces: what is taken, what is left out and counted, what is an error with its line.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use repower_model::{Bytes, Cpus, Span};
use repower_sim::trace::{
    GPU, Job, Machine, ProjectBy, Rule, TraceError, Wide, Workload, jobs, nodes, swf,
};

/// A file in a folder that goes away with it.
struct Scratch {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

fn scratch(bytes: &[u8]) -> Scratch {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace");
    fs::write(&path, bytes).expect("written");
    Scratch { _folder: folder, path }
}

fn swf(text: &str) -> Result<Workload, TraceError> {
    swf::read(&scratch(text.as_bytes()).path, ProjectBy::User)
}

fn jobs(text: &str) -> Result<Workload, TraceError> {
    jobs::read(&scratch(text.as_bytes()).path, ProjectBy::Project)
}

/// The message of an error without the path, and its hint.
fn told<T>(result: Result<T, TraceError>) -> (String, &'static str) {
    let Err(error) = result else { panic!("it was read") };
    let text = error.to_string();
    let after = text.find("trace").map_or(0, |at| at + "trace".len());
    (text[after..].trim_start_matches([',', ':', ' ']).to_owned(), error.hint())
}

const GOOD: &str = "1 5 -1 60 4 -1 -1 8 90 -1 1 7 2 -1 -1 -1 -1 -1\n";

#[test]
fn a_record_gives_processors_estimate_and_project_by_the_stated_rules() {
    let text = format!(
        "; MaxNodes: 16\n;MaxProcs: 32 of them\n; Anm\u{e4}rkung\n\n{GOOD}2 9 -1 12 3 552.21 -1 -1 -1 -1 1 7 2 -1 -1 -1 -1 -1\n"
    );

    let workload = swf(&text).unwrap();

    assert_eq!(workload.processors, Some(32));
    assert_eq!(workload.projects, ["user-7"]);
    let [first, second] = workload.jobs[..] else { panic!("two jobs") };
    assert_eq!((first.cpus, first.estimate), (Cpus::from_whole(8), Span::from_secs(90)));
    assert_eq!((second.cpus, second.estimate), (Cpus::from_whole(3), Span::from_secs(12)));
}

#[test]
fn records_that_cannot_run_are_left_out_and_counted_by_rule() {
    let record = |submit: i64, run: i64, cpus: i64| {
        format!("1 {submit} -1 {run} {cpus} -1 -1 -1 -1 -1 1 1 1 -1 -1 -1 -1 -1\n")
    };
    let text = [
        record(10, 5, 1),
        record(-3, 5, 1),
        record(11, 0, 1),
        record(12, -1, 1),
        record(13, 5, -1),
        record(14, 5, 65),
        record(9, 5, 2),
    ];

    let mut workload = swf(&text.concat()).unwrap();
    workload.fit(&Machine::uniform(1, 64), Wide::LeaveOut);

    let left: Vec<_> = workload.tally.skipped.iter().map(|(rule, count)| (*rule, *count)).collect();
    let expected = [
        (Rule::NegativeSubmit, 1),
        (Rule::TooShort, 2),
        (Rule::NoProcessors, 1),
        (Rule::TooLarge, 1),
    ];
    assert_eq!(left, expected);
    let submits: Vec<u64> = workload.jobs.iter().map(|job| job.submit.as_millis() / 1000).collect();
    assert_eq!(submits, [9, 10], "sorted in");
    assert_eq!((workload.tally.records, workload.tally.unsorted), (7, 2));
}

#[test]
fn jobs_of_one_moment_stay_in_the_order_of_the_file() {
    let record = |id, submit| format!("{id} {submit} -1 5 1 -1 -1 -1 -1 -1 1 1 1 -1 -1 -1 -1 -1\n");
    let text = [record(4, 7), record(9, 3), record(2, 7), record(1, 3)].concat();

    let ids: Vec<u64> = swf(&text).unwrap().jobs.iter().map(|job| job.id).collect();

    assert_eq!(ids, [9, 1, 4, 2]);
}

#[test]
fn what_is_no_record_is_an_error_with_its_line() {
    let (missing, hint) = told(swf(&format!("; x\n{GOOD}2 9 -1 12\n")));
    assert_eq!(missing, "line 3: it has 4 fields, but a record has 18");
    assert_eq!(hint, "an SWF record has 18 numbers with blanks between; -1 for what is not known");

    let (more, _) = told(swf(&format!("{} 19\n", GOOD.trim())));
    assert_eq!(more, "line 1: it has 19 fields, but a record has 18");

    let (word, _) = told(swf(&GOOD.replace("60", "an-hour")));
    assert_eq!(
        word,
        "line 1: the run time (field 4) is `an-hour`, which is not a number of reasonable size"
    );
    for absurd in ["NaN", "inf", "1e300"] {
        let (text, _) = told(swf(&GOOD.replace("60", absurd)));
        assert!(text.contains("which is not a number of reasonable size"), "{text}");
    }

    let (empty, _) = told(swf("; only a header\n"));
    assert_eq!(empty, "there is no job that ran in it");

    let (long, _) = told(swf(&format!("{GOOD}{}", "1 ".repeat(40_000))));
    assert_eq!(long, "line 2: it has more than 65536 bytes");

    let missing = swf::read(Path::new("/there/is/no/such/trace"), ProjectBy::Project);
    assert!(matches!(missing, Err(TraceError::Open { .. })));
}

#[test]
fn gzip_is_known_by_its_content_and_a_cut_off_one_is_an_error_with_its_line() {
    let line = |at: u64| GOOD.replace("60", &(1 + at * at * 7919 % 99_991).to_string());
    let text: String = (1..=3000).map(line).collect();
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(text.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();

    let whole = swf::read(&scratch(&packed).path, ProjectBy::Project).unwrap();
    let (cut, hint) =
        told(swf::read(&scratch(&packed[..packed.len() - 40]).path, ProjectBy::Project));
    let mut damaged = packed.clone();
    let checksum = packed.len() - 6;
    damaged[checksum] ^= 1;
    let (broken, _) = told(swf::read(&scratch(&damaged).path, ProjectBy::Project));

    assert_eq!(whole.jobs.len(), 3000);
    assert!(cut.starts_with("the gzip data end in the middle, after line "), "{cut}");
    assert_eq!(hint, "fetch the file again: it is damaged");
    assert_eq!(broken, "cannot read on after line 3000");
}

#[test]
fn jobs_of_a_csv_file_are_found_by_the_names_of_their_columns() {
    let text = "# three jobs\nLength,arrival,cpus,gpus,memory_mib,estimate,priority,project,mood\n\
                10.5, 3, 0.5, 2, 1024, 20, 5, vision, good\n7,1,4,,,,,,\n,2,1,,,,,,bad\n";

    let workload = jobs(text).unwrap();

    let asked = |job: &Job| {
        let asked = &workload.shape(job).resources;
        (asked.extra(GPU), asked.memory)
    };
    let [first, second] = workload.jobs[..] else { panic!("two jobs") };
    assert_eq!((first.id, first.cpus, first.project), (2, Cpus::from_whole(4), 1));
    assert_eq!((asked(&first), first.estimate), ((0, Bytes::default()), first.run));
    assert_eq!((second.run, second.cpus), (Span::from_millis(10_500), Cpus::from_milli(500)));
    assert_eq!((asked(&second), second.priority), ((2, Bytes::from_gib(1)), 5));
    assert_eq!(workload.projects, ["vision", "default"]);
    assert_eq!(workload.tally.skipped[&Rule::TooShort], 1);
    assert_eq!(workload.tally.unread, ["mood"]);
}

#[test]
fn labels_and_instruction_sets_say_which_nodes_will_do() {
    let list =
        "name,cpus,labels,isa,model\na,8,rack=1; disk=nvme,x86-64-v4,\nb,8,,x86-64-v2,P100\n";
    let list = nodes::read(&scratch(list.as_bytes()).path).unwrap();
    let asked = "arrival,length,cpus,labels,isa\n1,5,1,rack=1|2 !gpu-model,\n2,5,1,,x86-64-v3\n\
                 3,5,1,gpu-model=P100,x86-64-v3\n4,5,1,gpu-model,\n";

    let mut workload = jobs(asked).unwrap();

    assert_eq!((list.unread.len(), workload.tally.unread.len()), (0, 0));
    let could = |job: &Job, node: usize| {
        let machine = Machine { nodes: vec![list.machine.nodes[node].clone()] };
        machine.could_hold(workload.shape(job))
    };
    let on: Vec<_> = workload.jobs.iter().map(|job| (could(job, 0), could(job, 1))).collect();
    assert_eq!(on, [(true, false), (true, false), (false, false), (false, true)]);
    workload.fit(&list.machine, Wide::Pack);
    assert_eq!(workload.tally.skipped[&Rule::TooLarge], 1);
}

#[test]
fn a_bad_csv_file_is_an_error_with_line_and_column() {
    let of = |text: &str| told(jobs(text)).0;

    assert_eq!(of("a,b\n1,2\n"), "its header has no column `arrival`; it has a, b");
    assert_eq!(
        of("arrival,length,cpus\n1,2,1\n2,x,1\n"),
        "line 3: `length` is `x`, which is not a number of reasonable size"
    );
    assert_eq!(
        of("arrival,length,cpus\n1,2,1\n2,3\n"),
        "line 3: it has 2 fields, but a record has 3"
    );
    assert_eq!(
        of("arrival,length,cpus,gpus\n1,2,1,0.5\n"),
        "line 2: `gpus` is `0.5`, which is not a whole number of GPUs"
    );
    assert_eq!(
        of("arrival,length,cpus,priority\n1,2,1,5000\n"),
        "line 2: `priority` is `5000`, which is not a priority from -1000 to 1000"
    );
    assert_eq!(
        of("arrival,length,cpus,labels\n1,2,1,a=b=c\n"),
        "line 2: `labels` is `a=b=c`, which is not rules about labels, as `gpu-model=V100|P100;!slow`"
    );
    assert_eq!(
        of("arrival,length,cpus,isa\n1,2,1,avx2\n"),
        "line 2: `isa` is `avx2`, which is not an instruction set: x86-64-v1 to x86-64-v4"
    );
    assert_eq!(of("arrival,length,cpus\n"), "there is no job that ran in it");
    let user = jobs::read(&scratch(b"arrival,length,cpus\n1,2,1\n").path, ProjectBy::User);
    assert!(matches!(user, Err(TraceError::Column { column: "user", .. })));
}

#[test]
fn node_lists_of_both_forms_are_read() {
    let long = scratch(b"sn,cpu_milli,memory_mib,gpu,model\nopenb-node-0000,64000,262144,2,P100\n");
    let short = scratch(b"name,cpus,memory,gpus,rack\na,8,16GiB,0,1\nb,0.5,512 MiB,,2\n");

    let long = nodes::read(&long.path).unwrap();
    let short = nodes::read(&short.path).unwrap();

    let node = &long.machine.nodes[0];
    assert_eq!(
        (node.capacity.cpus, node.capacity.memory),
        (Cpus::from_whole(64), Bytes::from_gib(256))
    );
    assert_eq!((long.machine.gpus(), node.labels[0].1.as_str()), (2, "P100"));
    assert_eq!(short.machine.cpus(), Cpus::from_milli(8500));
    assert_eq!(short.machine.nodes[1].capacity.memory, Bytes::from_mib(512));
    assert_eq!(short.unread, ["rack"]);
}

#[test]
fn a_bad_node_list_is_an_error_with_its_line() {
    let of = |text: &str| told(nodes::read(&scratch(text.as_bytes()).path)).0;

    assert_eq!(of("name,cpus\na,4\na,4\n"), "line 3: a node `a` was listed before");
    assert_eq!(
        of("name,cpus\nA!,4\n"),
        "line 2: `name` is `A!`, which is not 1 to 63 characters of a-z, 0-9, `-`, `.` and `_`"
    );
    assert_eq!(
        of("name,cpus\na,0\n"),
        "line 2: `cpus` is `0`, which is not a number of processors above 0"
    );
    assert_eq!(
        of("name,cpus,memory\na,1,16\n"),
        "line 2: `memory` is `16`, which is not a size with its unit, as `256GiB`"
    );
    assert_eq!(
        of("name,cpus,labels\na,1,rack=1;rack=2\n"),
        "line 2: `labels` is `rack=1;rack=2`, which is not labels, each name once, as `rack=a3;disk=nvme`"
    );
    assert_eq!(of("name,cpus\n"), "there is no node in it");
}
