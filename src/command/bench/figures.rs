//! Figures: several values of one thing, shown with their spread.

use serde::Serialize;

use crate::failure::Failure;
use crate::render::Screen;
use crate::render::table::{Column, Table};

/// Several values of one thing, in the order in which they were measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Figure {
    name: String,
    unit: &'static str,
    n: usize,
    min: f64,
    median: f64,
    p99: f64,
    max: f64,
}

/// What a benchmark found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Report {
    benchmark: &'static str,
    version: &'static str,
    processors: usize,
    about: String,
    figures: Vec<Figure>,
}

impl Report {
    pub(super) fn new(benchmark: &'static str, about: String) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let version = env!("CARGO_PKG_VERSION");
        Self { benchmark, version, processors, about, figures: Vec::new() }
    }

    /// Adds a figure; nothing if there are no values.
    pub(super) fn add(&mut self, name: impl Into<String>, unit: &'static str, values: &[f64]) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (Some(min), Some(max)) = (sorted.first(), sorted.last()) else {
            return;
        };
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        } else {
            sorted[middle]
        };
        let (min, max, n) = (*min, *max, sorted.len());
        let p99 = sorted[(n * 99).div_ceil(100).saturating_sub(1)];
        self.figures.push(Figure { name: name.into(), unit, n, min, median, p99, max });
    }

    /// Prints the report as a table or as JSON.
    pub(super) fn show(&self, screen: &mut Screen) -> Result<(), Failure> {
        if screen.is_json() {
            screen.json(self)?;
            return Ok(());
        }
        let Self { benchmark, version, processors, about, .. } = self;
        screen.note(format_args!(
            "bench {benchmark}: {about}; repower {version}, {processors} processors"
        ));
        let mut table = Table::new(&[
            Column::cut("FIGURE", 20),
            Column::whole("UNIT"),
            Column::number("N"),
            Column::number("MIN"),
            Column::number("MEDIAN"),
            Column::number("P99"),
            Column::number("MAX"),
        ]);
        for figure in &self.figures {
            table.row([
                figure.name.as_str().into(),
                figure.unit.into(),
                figure.n.to_string().into(),
                shown(figure.min).into(),
                shown(figure.median).into(),
                shown(figure.p99).into(),
                shown(figure.max).into(),
            ]);
        }
        screen.table(&table)?;
        Ok(())
    }
}

/// Three digits that count, without an exponent.
fn shown(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A count as a number to divide by.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and times of a benchmark are far below 2^52"
)]
pub(super) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_its_median_and_its_spread() {
        let mut report = Report::new("x", String::new());

        report.add("even", "ms", &[4.0, 1.0, 2.0, 3.0]);
        report.add("none", "ms", &[]);

        let figure = &report.figures[0];
        assert_eq!(report.figures.len(), 1);
        assert_eq!(
            (figure.n, shown(figure.min), shown(figure.median)),
            (4, "1.00".into(), "2.50".into())
        );
        assert_eq!((shown(figure.p99), shown(figure.max)), ("4.00".into(), "4.00".into()));
    }
}
