//! The comparison as tables: waits, slowdowns, and what else there is to tell.

use repower_model::Span;

use super::Outcome;
use crate::failure::Failure;
use crate::render::{Cell, Column, Screen, Table};

/// Projects of the table of projects; JSON has them all.
const PROJECTS: usize = 10;

/// Prints what the policies came to.
pub(super) fn show(screen: &mut Screen, outcomes: &[Outcome]) -> Result<(), Failure> {
    screen.table(&waits(outcomes))?;
    screen.line("")?;
    screen.table(&slowdowns(outcomes))?;
    if outcomes.iter().any(|one| one.replay.failures > 0 || one.replay.preempted > 0) {
        screen.line("")?;
        screen.table(&troubles(outcomes))?;
    }
    if outcomes.iter().any(|one| one.report.projects.len() > 1) {
        screen.line("")?;
        projects(screen, outcomes)?;
    }
    Ok(())
}

/// Seconds, with a fraction only where there is one.
fn seconds(span: Span) -> String {
    let (whole, milli) = (span.as_millis() / 1000, span.as_millis() % 1000);
    if milli == 0 { whole.to_string() } else { format!("{whole}.{milli:03}") }
}

fn waits(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        Column::whole("POLICY"),
        Column::number("MEAN WAIT S"),
        Column::number("MAX WAIT S"),
        Column::number("MAKESPAN S"),
        Column::number("UTIL"),
        Column::number("JOBS/S"),
    ]);
    for one in outcomes {
        let report = &one.report;
        table.row([
            one.policy.into(),
            format!("{:.4}", report.mean_wait_s).into(),
            seconds(report.max_wait).into(),
            seconds(report.makespan).into(),
            format!("{:.6}", report.utilisation).into(),
            one.jobs_per_second().map_or("-".to_owned(), |rate| format!("{rate:.0}")).into(),
        ]);
    }
    table
}

fn slowdowns(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        Column::whole("POLICY"),
        Column::number("MEAN BSLD"),
        Column::number("MEDIAN BSLD"),
        Column::number("P95 BSLD"),
        Column::number("FAIRNESS"),
        Column::number("GPU UTIL"),
    ]);
    for one in outcomes {
        let report = &one.report;
        let gpus = report.gpu_utilisation.map_or("-".to_owned(), |share| format!("{share:.6}"));
        table.row([
            one.policy.into(),
            format!("{:.6}", report.mean_bsld).into(),
            format!("{:.3}", report.median_bsld).into(),
            format!("{:.3}", report.p95_bsld).into(),
            format!("{:.4}", report.fairness).into(),
            gpus.into(),
        ]);
    }
    table
}

fn troubles(outcomes: &[Outcome]) -> Table {
    let mut table = Table::new(&[
        Column::whole("POLICY"),
        Column::number("NODE FAILURES"),
        Column::number("LOST ATTEMPTS"),
        Column::number("PREEMPTED"),
        Column::number("JOBS GIVEN UP"),
    ]);
    for one in outcomes {
        let counts =
            [one.replay.failures, one.replay.lost, one.replay.preempted, one.report.failed];
        let counts = counts.iter().map(|count| Cell::from(count.to_string()));
        table.row(std::iter::once(one.policy.into()).chain(counts));
    }
    table
}

fn projects(screen: &mut Screen, outcomes: &[Outcome]) -> Result<(), Failure> {
    let mut table = Table::new(&[
        Column::whole("POLICY"),
        Column::cut("PROJECT", 8),
        Column::number("JOBS"),
        Column::number("CPU HOURS"),
        Column::number("MEAN WAIT S"),
        Column::number("MEAN BSLD"),
    ]);
    let mut left = 0;
    for one in outcomes {
        let mut projects: Vec<_> = one.report.projects.iter().filter(|one| one.jobs > 0).collect();
        projects.sort_by(|a, b| b.cpu_hours.total_cmp(&a.cpu_hours));
        left = projects.len().saturating_sub(PROJECTS);
        for project in projects.into_iter().take(PROJECTS) {
            table.row([
                one.policy.into(),
                project.name.as_str().into(),
                project.jobs.to_string().into(),
                format!("{:.1}", project.cpu_hours).into(),
                format!("{:.1}", project.mean_wait_s).into(),
                format!("{:.3}", project.mean_bsld).into(),
            ]);
        }
    }
    screen.table(&table)?;
    if left > 0 {
        screen.line(format_args!("and {left} projects that used less; `-o json` has them all"))?;
    }
    Ok(())
}
