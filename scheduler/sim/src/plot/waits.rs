//! How long jobs waited: for each policy the share of jobs that waited no longer than so long.

use plotters::prelude::*;

use super::style::{FAINT, GRID, INK, centred, curve, float, letters, number};
use super::{BINS, Drawn, Scene, Series};
use crate::report::wait;

const SIZE: (u32, u32) = (900, 560);

/// Waits below this are drawn at the left edge: a logarithmic axis has no zero.
const LEAST_S: f64 = 1.0;

/// Marks of the axis: what people call by a round name.
const MARKS_S: [f64; 12] = [
    1.0,
    10.0,
    60.0,
    600.0,
    3600.0,
    21_600.0,
    86_400.0,
    604_800.0,
    2_592_000.0,
    31_536_000.0,
    315_360_000.0,
    3_153_600_000.0,
];

pub(super) fn paint(text: &mut String, scene: &Scene<'_>) -> Drawn {
    let waits: Vec<Vec<f64>> = scene.series.iter().map(|one| sorted(scene, one)).collect();
    let longest = waits.iter().filter_map(|one| one.last()).copied().fold(60.0, f64::max);
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(40);
    head.draw(&Text::new("How long jobs wait", (70, 10), letters(19, INK)))?;
    let right = longest * 1.2;
    let marks: Vec<f64> = MARKS_S.into_iter().filter(|mark| *mark < right).collect();
    let mut chart = ChartBuilder::on(&body)
        .margin_right(150)
        .margin_left(14)
        .margin_top(8)
        .margin_bottom(6)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .build_cartesian_2d((LEAST_S..right).log_scale().with_key_points(marks), 0.0..100.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(letters(13, FAINT))
        .axis_desc_style(letters(14, INK))
        .y_labels(6)
        .x_labels(MARKS_S.len())
        .x_label_formatter(&|value| span(*value))
        .y_label_formatter(&|value| number(*value))
        .y_desc("jobs that wait no longer, %")
        .x_desc("wait (the left edge: up to a second)")
        .draw()?;
    for (at, (series, waits)) in scene.series.iter().zip(&waits).enumerate() {
        let colour = curve(at);
        chart.draw_series(LineSeries::new(points(waits, right), colour.stroke_width(2)))?;
        let x = i32::try_from(SIZE.0).unwrap_or(0) - 138;
        let y = 30 + 24 * i32::try_from(at).unwrap_or(0);
        body.draw(&PathElement::new([(x, y), (x + 22, y)], colour.stroke_width(3)))?;
        body.draw(&Text::new(series.name.to_owned(), (x + 28, y), centred(14, INK)))?;
    }
    root.present()?;
    Ok(())
}

fn sorted(scene: &Scene<'_>, series: &Series<'_>) -> Vec<f64> {
    let pairs = scene.workload.jobs.iter().zip(&series.replay.runs);
    let done = pairs.filter(|(_, run)| run.done);
    let mut waits: Vec<f64> =
        done.map(|(job, run)| float(wait(job, run).as_millis()) / 1000.0).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

/// Steps of the share, at most so many as a picture can show.
fn points(waits: &[f64], right: f64) -> Vec<(f64, f64)> {
    let count = waits.len();
    let every = count.div_ceil(BINS).max(1);
    let share = |place: usize| 100.0 * float(place as u64) / float(count.max(1) as u64);
    let mut points = vec![(LEAST_S, share(waits.partition_point(|wait| *wait <= LEAST_S)))];
    for (place, wait) in waits.iter().enumerate().filter(|(_, wait)| **wait > LEAST_S) {
        if place % every == 0 || place + 1 == count {
            let before = points.last().map_or(0.0, |point| point.1);
            points.push((*wait, before));
            points.push((*wait, share(place + 1)));
        }
    }
    points.push((right, 100.0));
    points
}

/// A wait of the axis, in a unit that a person would use.
fn span(seconds: f64) -> String {
    let (value, unit) = match seconds {
        ..60.0 => (seconds, "s"),
        60.0..3600.0 => (seconds / 60.0, "min"),
        3600.0..86_400.0 => (seconds / 3600.0, "h"),
        86_400.0..31_536_000.0 => (seconds / 86_400.0, "d"),
        _ => (seconds / 31_536_000.0, "y"),
    };
    let digits = usize::from(value < 9.95 && value.fract() > 0.05);
    format!("{value:.digits$} {unit}")
}
