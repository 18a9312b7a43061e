//! What waited and what was used over time, all policies in one picture.

use plotters::prelude::*;
use repower_model::Span;

use super::style::{FAINT, GRID, INK, centred, curve, float, letters, number};
use super::time::{Axis, Unit};
use super::{BINS, Drawn, Scene, Series, origin};
use crate::replay::Sample;

const WIDTH: u32 = 1100;
/// Heights of the title, of the queue, of each policy's use, and of what the last of them has below.
const HEAD: u32 = 54;
const QUEUE: u32 = 300;
const STRIP: u32 = 92;
const FOOT: u32 = 24;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Time-weighted means over equal parts of the time.
struct Curve {
    waiting: Vec<f64>,
    used: Vec<f64>,
}

pub(super) fn paint(text: &mut String, scene: &Scene<'_>) -> Drawn {
    let start = origin(scene.workload);
    let ends = scene.series.iter().filter_map(|series| series.replay.samples.last());
    let end = ends.map(|sample| sample.at).max().unwrap_or_default().max(start);
    let length = Span::from_millis((end.as_millis() - start.as_millis()).max(1));
    let curves: Vec<Curve> =
        scene.series.iter().map(|series| binned(series, start, length)).collect();
    let unit = Unit::of(length);
    let right = unit.count(length.as_millis());
    let most = curves.iter().flat_map(|curve| &curve.waiting).copied().fold(1.0, f64::max);
    let all = float(scene.machine.cpus().as_milli());

    let strips = u32::try_from(curves.len()).unwrap_or(1);
    let height = HEAD + QUEUE + strips * STRIP + FOOT;
    let root = SVGBackend::with_string(text, (WIDTH, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(HEAD);
    legend(&head, scene)?;
    let (upper, mut lower) = body.split_vertically(QUEUE);
    let axis = &Axis::of(unit, 0.0, right);
    let queue = Panel { title: "jobs that wait", below: "", axis, top: most * 1.05, labels: 6 };
    let waiting = curves.iter().map(|one| one.waiting.as_slice()).enumerate();
    queue.paint(&upper, waiting)?;
    let below = format!("{} from the first submission", unit.name);
    for (at, one) in curves.iter().enumerate() {
        let is_last = at + 1 == curves.len();
        let below = if is_last { below.as_str() } else { "" };
        let (strip, rest) = lower.split_vertically(if is_last { STRIP + FOOT } else { STRIP });
        let used: Vec<f64> = one.used.iter().map(|milli| milli * 100.0 / all).collect();
        let title = if at == 0 { "% in use" } else { "" };
        let panel = Panel { title, below, axis, top: 100.0, labels: 3 };
        panel.paint(&strip, std::iter::once((at, used.as_slice())))?;
        lower = rest;
    }
    root.present()?;
    Ok(())
}

fn legend(area: &Area<'_>, scene: &Scene<'_>) -> Drawn {
    area.draw(&Text::new("Queue and utilisation over time", (70, 10), letters(19, INK)))?;
    let mut x = 70;
    for (at, series) in scene.series.iter().enumerate() {
        let line = [(x, 42), (x + 22, 42)];
        area.draw(&PathElement::new(line, curve(at).stroke_width(3)))?;
        area.draw(&Text::new(series.name.to_owned(), (x + 28, 42), centred(14, INK)))?;
        x += 52 + 8 * i32::try_from(series.name.len()).unwrap_or(20);
    }
    Ok(())
}

/// One of the two parts of the picture.
struct Panel<'a> {
    title: &'a str,
    below: &'a str,
    axis: &'a Axis,
    /// Where the other axis ends.
    top: f64,
    /// Numbers beside it, about.
    labels: usize,
}

impl Panel<'_> {
    /// Low panels have thin lines.
    fn stroke(&self) -> u32 {
        if self.labels < 4 { 1 } else { 2 }
    }

    /// Draws curves, each in the colour of its number; one that is alone with its area.
    fn paint<'b>(
        &self,
        area: &Area<'_>,
        curves: impl Iterator<Item = (usize, &'b [f64])>,
    ) -> Drawn {
        let mut chart = ChartBuilder::on(area)
            .margin_right(24)
            .margin_left(14)
            .margin_top(10)
            .x_label_area_size(if self.below.is_empty() { 24 } else { 46 })
            .y_label_area_size(70)
            .build_cartesian_2d(self.axis.clone(), 0.0..self.top)?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(FAINT)
            .label_style(letters(13, FAINT))
            .axis_desc_style(letters(14, INK))
            .x_labels(self.axis.marks.len())
            .y_labels(self.labels)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .y_desc(self.title)
            .x_desc(self.below)
            .draw()?;
        let curves: Vec<_> = curves.collect();
        let alone = curves.len() == 1;
        for (at, values) in curves {
            let width = self.axis.right / float(values.len().max(1) as u64);
            let middle = |bin: usize| (float(bin as u64) + 0.5) * width;
            let points: Vec<(f64, f64)> =
                values.iter().enumerate().map(|(bin, value)| (middle(bin), *value)).collect();
            let colour = curve(at);
            if alone {
                let depth = if self.labels < 4 { 0.25 } else { 0.08 };
                let ground = AreaSeries::new(points.clone(), 0.0, colour.mix(depth));
                chart.draw_series(ground)?;
            }
            chart.draw_series(LineSeries::new(points, colour.stroke_width(self.stroke())))?;
        }
        Ok(())
    }
}

/// What a replay's samples say, in equal parts of the time.
fn binned(series: &Series<'_>, start: Span, length: Span) -> Curve {
    let bins = BINS.min(usize::try_from(length.as_millis()).unwrap_or(BINS)).max(1);
    let width = float(length.as_millis()) / float(bins as u64);
    let (mut waiting, mut used) = (vec![0.0; bins], vec![0.0; bins]);
    let from_start =
        |sample: &Sample| float(sample.at.as_millis().saturating_sub(start.as_millis())) / width;
    for pair in series.replay.samples.windows(2) {
        let (mut at, until) = (from_start(&pair[0]), from_start(&pair[1]));
        while at < until {
            let bin = floor(at).min(bins - 1);
            let edge = if bin + 1 == bins { until } else { float(bin as u64 + 1).min(until) };
            let share = edge - at;
            waiting[bin] += share * f64::from(pair[0].waiting);
            used[bin] += share * float(pair[0].cpu_milli);
            at = edge.max(at + f64::EPSILON * at.max(1.0));
        }
    }
    Curve { waiting, used }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is the place of a bin, or beyond the last one"
)]
fn floor(value: f64) -> usize {
    value as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Replay;

    #[test]
    fn a_curve_is_the_mean_over_the_time_of_each_bin() {
        let sample = |ms, waiting| Sample {
            at: Span::from_millis(ms),
            waiting,
            running: 0,
            cpu_milli: u64::from(waiting) * 1000,
        };
        let samples = vec![sample(0, 4), sample(700, 0), sample(1050, 8), sample(1400, 0)];
        let replay = Replay { samples, ..Replay::default() };
        let series = Series { name: "x", replay: &replay };

        let curve = binned(&series, Span::ZERO, Span::from_millis(1400));

        assert_eq!(curve.waiting.len(), 700);
        assert!((curve.waiting[0] - 4.0).abs() < 1e-9 && curve.waiting[400].abs() < 1e-9);
        assert!((curve.waiting[525] - 8.0).abs() < 4.1 && (curve.used[699] - 8000.0).abs() < 1e-6);
        let sum: f64 = curve.waiting.iter().sum();
        assert!((sum * 2.0 - (4.0 * 700.0 + 8.0 * 350.0)).abs() < 1e-6, "{sum}");
    }
}
