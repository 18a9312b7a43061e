//! Ten windows of 1024 jobs of Lublin-1, each on an empty machine: the sequences of the tables V and VI of
//! Zhang et al., RLScheduler, SC 2020. Means over the windows.

use repower_core::plan::Discipline;
use repower_sim::replay::Rule;
use repower_sim::report::Report;
use repower_sim::rlscheduler::{self, Backfill};
use repower_sim::trace::{Machine, Workload};

use super::data::{LUBLIN, load, run};

const FIRST: [usize; 10] = [1981, 2756, 4299, 8850, 3316, 2714, 5228, 7762, 4022, 7085];
const JOBS: usize = 1024;

/// Mean bounded slowdown, wait and utilisation over the windows.
fn means(mut one: impl FnMut(&Workload, &Machine) -> Report) -> Option<[f64; 3]> {
    let (whole, machine) = load(&LUBLIN, 10_000)?;
    let mut sums = [0.0; 3];
    for first in FIRST {
        let mut window = whole.clone();
        window.window(first, Some(JOBS));
        assert_eq!(window.jobs.len(), JOBS);
        let report = one(&window, &machine);
        for (sum, value) in
            sums.iter_mut().zip([report.mean_bsld, report.mean_wait_s, report.utilisation])
        {
            *sum += value / 10.0;
        }
    }
    Some(sums)
}

fn textbook(discipline: Discipline, expected: &str) {
    let one = |workload: &Workload, machine: &Machine| {
        run(workload, machine, discipline, Rule::Instant).1
    };
    if let Some([bsld, wait, util]) = means(one) {
        assert_eq!(format!("{bsld:.4} {wait:.1} {util:.4}"), expected, "{discipline}");
    }
}

macro_rules! textbook {
    ($($test:ident: $discipline:ident $expected:literal;)*) => {$(
        #[test]
        fn $test() {
            textbook(Discipline::$discipline, $expected);
        }
    )*};
}

textbook! {
    lublin_1_has_the_means_of_fcfs: Fcfs "7273.7714 258203.4 0.6469";
    lublin_1_has_the_means_of_sjf: Sjf "47.1579 40814.2 0.6864";
    lublin_1_has_the_means_of_wfp3: Wfp3 "118.7401 88743.0 0.7413";
    lublin_1_has_the_means_of_unicef: Unicef "34.3593 68617.0 0.5131";
    lublin_1_has_the_means_of_f1: F1 "34.5299 11296.9 0.8041";
    lublin_1_has_the_means_of_f2: F2 "32.2462 11853.5 0.7681";
    lublin_1_has_the_means_of_f3: F3 "35.1579 15178.2 0.7092";
    lublin_1_has_the_means_of_f4: F4 "20.6790 21659.4 0.6267";
    lublin_1_has_the_means_of_easy: Easy "271.4040 24058.5 0.8701";
    lublin_1_has_the_means_of_easy_sjf: EasySjf "140.8148 19632.7 0.8491";
    lublin_1_has_the_means_of_conservative: Conservative "261.3212 28662.9 0.8668";
}

/// The published rows, and utilisation and wait as the authors' code gives them.
fn published(backfill: Backfill, rows: &[(Discipline, &str)]) {
    for (discipline, expected) in rows {
        let one = |workload: &Workload, machine: &Machine| {
            rlscheduler::run(workload, machine, *discipline, backfill)
                .expect("one of its policies")
                .1
        };
        let Some([bsld, wait, util]) = means(one) else { return };
        assert_eq!(format!("{bsld:.2} {util:.3} {wait:.1}"), *expected, "{discipline}");
    }
}

#[test]
fn the_rlscheduler_loop_gives_the_published_rows_without_backfill() {
    published(
        Backfill::Off,
        &[
            (Discipline::Fcfs, "7273.77 0.657 258203.4"),
            (Discipline::Wfp3, "19753.53 0.747 496320.2"),
            (Discipline::Unicef, "22274.74 0.691 703931.6"),
            (Discipline::Sjf, "277.35 0.762 45066.9"),
            (Discipline::F1, "258.37 0.816 20035.6"),
        ],
    );
}

#[test]
fn the_rlscheduler_loop_gives_the_published_rows_with_backfill() {
    published(
        Backfill::On,
        &[
            (Discipline::Fcfs, "235.82 0.868 26624.2"),
            (Discipline::Wfp3, "133.87 0.864 19252.2"),
            (Discipline::Unicef, "307.23 0.883 32904.4"),
            (Discipline::Sjf, "73.31 0.778 35167.6"),
            (Discipline::F1, "75.07 0.840 13046.9"),
        ],
    );
}
