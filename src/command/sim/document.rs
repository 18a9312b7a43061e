//! The comparison as JSON.

use repower_sim::plot::Gallery;
use serde::Serialize;

use super::Outcome;
use super::room::Room;

/// What `repower sim -o json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Document {
    source: String,
    jobs: usize,
    nodes: usize,
    cpu_milli: u64,
    gpus: u64,
    records: u64,
    left_out: Vec<LeftOut>,
    as_gangs: u64,
    outside_window: u64,
    sorted_in: u64,
    unread_columns: Vec<String>,
    policies: Vec<Compared>,
    pictures: Vec<String>,
    not_drawn: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LeftOut {
    rule: &'static str,
    text: &'static str,
    jobs: u64,
}

#[derive(Debug, Serialize)]
struct Compared {
    policy: &'static str,
    jobs: u64,
    given_up: u64,
    mean_wait_s: f64,
    max_wait_ms: u64,
    mean_bsld: f64,
    median_bsld: f64,
    p95_bsld: f64,
    makespan_ms: u64,
    utilisation: f64,
    gpu_utilisation: Option<f64>,
    fairness: f64,
    node_failures: u64,
    lost_attempts: u64,
    preempted_attempts: u64,
    passes: u64,
    facts: u64,
    seconds: Option<f64>,
    jobs_per_second: Option<f64>,
    projects: Vec<Project>,
}

#[derive(Debug, Serialize)]
struct Project {
    name: String,
    jobs: u64,
    cpu_hours: f64,
    mean_wait_s: f64,
    mean_bsld: f64,
}

impl Document {
    pub(super) fn of(room: &Room, outcomes: &[Outcome], gallery: &Gallery) -> Self {
        let tally = &room.workload.tally;
        let left_out = tally.skipped.iter().map(|(rule, jobs)| LeftOut {
            rule: rule.code(),
            text: rule.as_str(),
            jobs: *jobs,
        });
        Self {
            source: room.name.clone(),
            jobs: room.workload.jobs.len(),
            nodes: room.machine.nodes.len(),
            cpu_milli: room.machine.cpus().as_milli(),
            gpus: room.machine.gpus(),
            records: tally.records,
            left_out: left_out.collect(),
            as_gangs: tally.packed,
            outside_window: tally.outside,
            sorted_in: tally.unsorted,
            unread_columns: tally.unread.iter().chain(&room.unread).cloned().collect(),
            policies: outcomes.iter().map(Compared::of).collect(),
            pictures: gallery.pictures.iter().map(|path| path.display().to_string()).collect(),
            not_drawn: gallery.left_out.clone(),
        }
    }
}

impl Compared {
    fn of(outcome: &Outcome) -> Self {
        let (report, replay) = (&outcome.report, &outcome.replay);
        let projects = report.projects.iter().filter(|project| project.jobs > 0);
        let project = |project: &repower_sim::report::Project| Project {
            name: project.name.clone(),
            jobs: project.jobs,
            cpu_hours: project.cpu_hours,
            mean_wait_s: project.mean_wait_s,
            mean_bsld: project.mean_bsld,
        };
        Self {
            policy: outcome.policy,
            jobs: report.jobs,
            given_up: report.failed,
            mean_wait_s: report.mean_wait_s,
            max_wait_ms: report.max_wait.as_millis(),
            mean_bsld: report.mean_bsld,
            median_bsld: report.median_bsld,
            p95_bsld: report.p95_bsld,
            makespan_ms: report.makespan.as_millis(),
            utilisation: report.utilisation,
            gpu_utilisation: report.gpu_utilisation,
            fairness: report.fairness,
            node_failures: replay.failures,
            lost_attempts: replay.lost,
            preempted_attempts: replay.preempted,
            passes: replay.passes,
            facts: replay.facts,
            seconds: outcome.seconds,
            jobs_per_second: outcome.jobs_per_second(),
            projects: projects.map(project).collect(),
        }
    }
}
