//! Who ran where, in a window: time to the right, processors upwards.

mod key;
mod lanes;

use plotters::prelude::*;

use super::style::{FAINT, GRID, INK, centred, float, letters, number};
use super::time::{Axis, Unit};
use super::{Drawn, Scene, Series, origin};
use key::Key;
pub(super) use lanes::{Chart, lay_out};

const SIZE: (u32, u32) = (1200, 640);

/// Nodes whose edges are drawn, and those that are also named.
const EDGED: usize = 64;
const NAMED: usize = 24;

/// Names of nodes are cut to so many letters.
const LETTERS: usize = 14;

pub(super) fn paint(
    text: &mut String,
    scene: &Scene<'_>,
    series: &Series<'_>,
    chart: &Chart,
) -> Drawn {
    let length = repower_model::Span::from_millis(chart.end_ms - chart.start_ms);
    let zero = origin(scene.workload).as_millis();
    let unit = Unit::of(length);
    let at = |ms: u64| unit.count(ms.saturating_sub(zero));
    let (left, right) = (at(chart.start_ms), at(chart.end_ms));
    let axis = Axis::of(unit, left, right);
    let marks = axis.marks.len();
    let top = float(chart.lanes as u64);
    let nodes = chart.floors.len();
    let is_named = (2..=NAMED).contains(&nodes);
    let beside = if is_named { 128 } else { 24 };
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let key = Key::of(scene, SIZE.0);
    let (head, body) = root.split_vertically(key.height());
    let title = format!("Who runs where under {}", series.name);
    head.draw(&Text::new(title, (70, 10), letters(19, INK)))?;
    key.paint(&head)?;
    let mut canvas = ChartBuilder::on(&body)
        .margin_right(beside)
        .margin_left(14)
        .margin_top(4)
        .margin_bottom(6)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .build_cartesian_2d(axis, 0.0..top)?;
    canvas
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(letters(13, FAINT))
        .axis_desc_style(letters(14, INK))
        .x_labels(marks)
        .y_labels(8)
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&|value| number(*value))
        .y_desc("processors")
        .x_desc(format!("{} from the first submission", unit.name))
        .draw()?;
    // A border shows where one job ends and the next begins, unless it would hide the job.
    let per_dot = (right - left) / f64::from(canvas.plotting_area().dim_in_pixel().0);
    let plane = canvas.plotting_area();
    for piece in &chart.pieces {
        let low = float(piece.lane as u64);
        let corners = [
            (at(piece.from_ms.max(chart.start_ms)), low),
            (at(piece.to_ms.min(chart.end_ms)), low + float(piece.lanes as u64)),
        ];
        let colour = key.colour(piece.job, &scene.workload.jobs[piece.job]);
        plane.draw(&Rectangle::new(corners, colour.filled()))?;
        if corners[1].0 - corners[0].0 > 4.0 * per_dot {
            plane.draw(&Rectangle::new(corners, WHITE.mix(0.7)))?;
        }
    }
    if (2..=EDGED).contains(&nodes) {
        for floor in &chart.floors {
            let edge = float(floor.end as u64);
            plane.draw(&PathElement::new([(left, edge), (right, edge)], FAINT.stroke_width(1)))?;
        }
    }
    if is_named {
        for (floor, node) in chart.floors.iter().zip(&scene.machine.nodes) {
            let middle = f64::midpoint(float(floor.start as u64), float(floor.end as u64));
            let (x, y) = canvas.backend_coord(&(right, middle));
            let name: String = node.name.chars().take(LETTERS).collect();
            root.draw(&Text::new(name, (x + 8, y), centred(12, FAINT)))?;
        }
    }
    root.present()?;
    Ok(())
}
