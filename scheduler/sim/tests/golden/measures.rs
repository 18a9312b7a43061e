//! The measures of a report, to the digits that other software printed.

use repower_sim::report::Report;

use super::data::{HPC2N, LUBLIN, SYNTH, Trace, as_golden, columns, load};

/// What is printed of a report: mean and longest wait, mean and 95 % bounded slowdown, makespan,
/// utilisation.
pub(crate) fn digits(report: &Report) -> String {
    format!(
        "{:.4} {} {:.6} {:.3} {} {:.6}",
        report.mean_wait_s,
        report.max_wait.as_millis() / 1000,
        report.mean_bsld,
        report.p95_bsld,
        report.makespan.as_millis() / 1000,
        report.utilisation
    )
}

/// Rows of the table of results: jobs, golden column, digits.
pub(crate) const SYNTH_ROWS: [(&str, &str); 9] = [
    ("start_fcfs", "201380.0040 393359 3477.815670 22232.400 1693400 0.584936"),
    ("start_sjf", "19127.5890 1069836 61.572133 333.000 1439348 0.688180"),
    ("start_easy", "7826.2140 156139 99.959576 352.721 1324987 0.747578"),
    ("start_easy_seq", "7826.2140 156139 99.959576 352.721 1324987 0.747578"),
    ("start_easy_sjf", "9068.1150 209612 105.471198 275.288 1327448 0.746192"),
    ("start_cons", "9086.0575 124876 89.676539 318.480 1324277 0.747979"),
    ("start_wfp3", "55494.3720 1118010 165.058105 926.200 1479580 0.669468"),
    ("start_unicef", "46081.0425 1216965 145.615835 662.500 1754006 0.564725"),
    ("start_f1", "79034.0335 731589 1083.735035 5414.200 1630458 0.607517"),
];

pub(crate) const LUBLIN_ROWS: [(&str, &str); 5] = [
    ("start_fcfs", "158270.9500 598583 4159.609063 21165.304 1519735 0.538446"),
    ("start_sjf", "19212.4180 451517 41.954686 279.400 1291198 0.633749"),
    ("start_easy", "11045.2050 300555 60.784101 353.236 1156731 0.707421"),
    ("start_easy_sjf", "10906.9130 300555 50.787538 239.843 1156731 0.707421"),
    ("start_cons", "15456.6330 282994 143.799848 968.600 1139170 0.718326"),
];

pub(crate) const HPC2N_ROWS: [(&str, &str); 5] = [
    ("start_fcfs", "3877.9117 63496 41.389965 145.200 5121734 0.378085"),
    ("start_sjf", "3009.7157 68026 31.145900 45.884 5126158 0.377759"),
    ("start_easy", "2605.6003 62471 12.833810 23.423 5120854 0.378150"),
    ("start_easy_sjf", "2589.7380 62471 13.133454 21.758 5120854 0.378150"),
    ("start_cons", "2664.2440 62471 13.530309 25.898 5120854 0.378150"),
];

/// The first 5000 jobs of Lublin-1.
pub(crate) const LUBLIN_5000_ROWS: [(&str, &str); 5] = [
    ("start_fcfs", "1163030.8084 2420403 33028.660429 156619.600 6381309 0.617918"),
    ("start_sjf", "131341.5730 4712731 47.791871 270.615 5617331 0.701957"),
    ("start_easy", "49920.9472 537544 514.143974 2940.200 4400916 0.895978"),
    ("start_easy_sjf", "39513.1144 730783 203.699796 1219.000 4543011 0.867954"),
    ("start_cons", "58259.3626 482979 472.164754 2433.700 4373179 0.901661"),
];

fn measure(trace: &Trace, rows: &[(&str, &str)]) {
    let (Some((workload, machine)), Some(columns)) = (load(trace, trace.jobs), columns(trace))
    else {
        return;
    };
    for (name, expected) in rows {
        // Some rows of the table have no golden starts.
        let Some(starts) = columns.get(*name) else { continue };
        let report = Report::of(&workload, &machine, &as_golden(&workload, starts));
        assert_eq!(&digits(&report), expected, "{} {name}", trace.file);
    }
}

#[test]
fn measures_of_synth64_have_the_known_digits() {
    measure(&SYNTH, &SYNTH_ROWS);
}

#[test]
fn measures_of_lublin_256_have_the_known_digits() {
    measure(&LUBLIN, &LUBLIN_ROWS);
}

#[test]
fn measures_of_hpc2n_have_the_known_digits() {
    measure(&HPC2N, &HPC2N_ROWS);
}
