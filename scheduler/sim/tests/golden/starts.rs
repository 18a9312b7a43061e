//! Start times, job for job.

use repower_core::plan::Discipline;
use repower_sim::replay::Rule;

use super::data::{HPC2N, LUBLIN, SYNTH, Trace, columns, load, run};
use super::measures::{HPC2N_ROWS, LUBLIN_5000_ROWS, LUBLIN_ROWS, SYNTH_ROWS, digits};

/// The discipline and the event rule of a golden column.
fn discipline(column: &str) -> (Discipline, Rule) {
    match column {
        "start_easy_seq" => (Discipline::Easy, Rule::Event),
        "start_easy_sjf" => (Discipline::EasySjf, Rule::Instant),
        "start_cons" => (Discipline::Conservative, Rule::Instant),
        name => {
            let named = name.strip_prefix("start_").and_then(Discipline::named);
            (named.expect("a column of starts"), Rule::Instant)
        }
    }
}

/// Holds each discipline of a trace to its golden starts, and to its row of digits.
fn hold(trace: &Trace, rows: &[(&str, &str)], only: &str) {
    let (Some((workload, machine)), Some(columns)) = (load(trace, trace.jobs), columns(trace))
    else {
        return;
    };
    let (name, rule) = discipline(only);
    let (went, report) = run(&workload, &machine, name, rule);
    if let Some(starts) = columns.get(only) {
        let pairs = workload.jobs.iter().zip(&went.runs);
        let wrong: Vec<_> = pairs
            .filter(|(job, run)| run.start.as_millis() != starts[&job.id] * 1000)
            .map(|(job, run)| (job.id, run.start.as_millis() / 1000, starts[&job.id]))
            .collect();
        let first = wrong.first().map(|(id, is, should)| {
            format!("first job {id} starts at {is} s, but should at {should} s")
        });
        assert_eq!(wrong.len(), 0, "{} {only}: {}", trace.file, first.unwrap_or_default());
    }
    if let Some((_, expected)) = rows.iter().find(|(row, _)| *row == only) {
        assert_eq!(&digits(&report), expected, "{} {only}", trace.file);
    }
}

macro_rules! hold {
    ($($test:ident: $trace:ident $rows:ident $column:literal;)*) => {$(
        #[test]
        fn $test() {
            hold(&$trace, &$rows, $column);
        }
    )*};
}

hold! {
    synth64_starts_as_fcfs_says: SYNTH SYNTH_ROWS "start_fcfs";
    synth64_starts_as_sjf_says: SYNTH SYNTH_ROWS "start_sjf";
    synth64_starts_as_easy_says: SYNTH SYNTH_ROWS "start_easy";
    synth64_starts_as_easy_by_event_says: SYNTH SYNTH_ROWS "start_easy_seq";
    synth64_starts_as_easy_sjf_says: SYNTH SYNTH_ROWS "start_easy_sjf";
    synth64_starts_as_conservative_says: SYNTH SYNTH_ROWS "start_cons";
    synth64_starts_as_wfp3_says: SYNTH SYNTH_ROWS "start_wfp3";
    synth64_starts_as_unicef_says: SYNTH SYNTH_ROWS "start_unicef";
    synth64_starts_as_f1_says: SYNTH SYNTH_ROWS "start_f1";
    lublin_256_starts_as_fcfs_says: LUBLIN LUBLIN_ROWS "start_fcfs";
    lublin_256_starts_as_sjf_says: LUBLIN LUBLIN_ROWS "start_sjf";
    lublin_256_starts_as_easy_says: LUBLIN LUBLIN_ROWS "start_easy";
    lublin_256_starts_as_easy_by_event_says: LUBLIN LUBLIN_ROWS "start_easy_seq";
    lublin_256_starts_as_easy_sjf_says: LUBLIN LUBLIN_ROWS "start_easy_sjf";
    lublin_256_starts_as_conservative_says: LUBLIN LUBLIN_ROWS "start_cons";
    hpc2n_starts_as_fcfs_says: HPC2N HPC2N_ROWS "start_fcfs";
    hpc2n_starts_as_sjf_says: HPC2N HPC2N_ROWS "start_sjf";
    hpc2n_starts_as_easy_says: HPC2N HPC2N_ROWS "start_easy";
    hpc2n_starts_as_easy_by_event_says: HPC2N HPC2N_ROWS "start_easy_seq";
    hpc2n_starts_as_easy_sjf_says: HPC2N HPC2N_ROWS "start_easy_sjf";
    hpc2n_starts_as_conservative_says: HPC2N HPC2N_ROWS "start_cons";
}

#[test]
fn five_thousand_jobs_of_lublin_256_have_the_known_digits() {
    let Some((workload, machine)) = load(&LUBLIN, 5000) else { return };
    for (column, expected) in LUBLIN_5000_ROWS {
        let (name, rule) = discipline(column);
        let (_, report) = run(&workload, &machine, name, rule);
        assert_eq!(digits(&report), expected, "{column}");
    }
}
