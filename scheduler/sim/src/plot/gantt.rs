//! Who ran where, in a window: time to the right, processors upwards.

use plotters::prelude::*;

use super::style::{FAINT, GRID, INK, Unit, area, float, letters, number};
use super::{Drawn, Scene, Series, origin};

const SIZE: (u32, u32) = (1200, 620);

/// The most processors that can be told apart in a picture.
const MOST_LANES: usize = 4096;

/// The most pieces of jobs: a picture with more is a wall.
const MOST_PIECES: usize = 20_000;

/// A piece of a job: lanes that lie side by side.
#[derive(Debug)]
struct Piece {
    from_ms: u64,
    to_ms: u64,
    lane: usize,
    lanes: usize,
    colour: usize,
}

/// A chart that only has to be drawn.
#[derive(Debug)]
pub(super) struct Chart {
    start_ms: u64,
    end_ms: u64,
    lanes: usize,
    pieces: Vec<Piece>,
}

/// Lays the jobs of the window out, each on the lowest free lanes of its node; or says why not.
pub(super) fn lay_out(scene: &Scene<'_>, series: &Series<'_>) -> Result<Chart, String> {
    let start_ms = origin(scene.workload).as_millis() + scene.window.from.as_millis();
    let last = series.replay.runs.iter().map(|run| run.end.as_millis()).max().unwrap_or(0);
    let end_ms = (start_ms + scene.window.length.as_millis()).min(last);
    if end_ms <= start_ms {
        return Err("nothing runs in the window".into());
    }
    let (nodes, lanes) = floors(scene);
    if lanes > MOST_LANES {
        return Err(format!("{lanes} processors, but a picture shows at most {MOST_LANES}"));
    }
    let several = scene.workload.projects.len() > 1;
    let mut order: Vec<usize> = (0..series.replay.runs.len())
        .filter(|at| {
            let run = &series.replay.runs[*at];
            run.end.as_millis() > start_ms && run.start.as_millis() < end_ms
        })
        .collect();
    order.sort_by_key(|at| (series.replay.runs[*at].start, *at));
    let mut free_from = vec![0; lanes];
    let mut pieces = Vec::new();
    for at in order {
        let (job, run) = (&scene.workload.jobs[at], &series.replay.runs[at]);
        let floor = &nodes[run.node as usize];
        let wanted = lanes_of(job.cpus.as_milli());
        let (from_ms, to_ms) = (run.start.as_millis(), run.end.as_millis());
        let colour = if several { job.project as usize } else { at };
        let free = floor.clone().filter(|lane| free_from[*lane] <= from_ms).take(wanted);
        let taken: Vec<usize> = free.collect();
        for lane in taken {
            free_from[lane] = to_ms;
            match pieces.last_mut() {
                Some(Piece { lane: first, lanes, from_ms: since, colour: same, .. })
                    if *first + *lanes == lane && *since == from_ms && *same == colour =>
                {
                    *lanes += 1;
                }
                _ => pieces.push(Piece { from_ms, to_ms, lane, lanes: 1, colour }),
            }
        }
        if pieces.len() > MOST_PIECES {
            return Err(format!("more than {MOST_PIECES} pieces of jobs in the window"));
        }
    }
    Ok(Chart { start_ms, end_ms, lanes, pieces })
}

/// The lanes of each node, and how many there are in all.
fn floors(scene: &Scene<'_>) -> (Vec<std::ops::Range<usize>>, usize) {
    let mut lanes = 0;
    let nodes = scene.machine.nodes.iter().map(|node| {
        let first = lanes;
        lanes += lanes_of(node.capacity.cpus.as_milli());
        first..lanes
    });
    (nodes.collect(), lanes)
}

fn lanes_of(cpu_milli: u64) -> usize {
    usize::try_from(cpu_milli.div_ceil(1000)).unwrap_or(usize::MAX)
}

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
    let top = float(chart.lanes as u64);
    let root = SVGBackend::with_string(text, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, body) = root.split_vertically(40);
    let title = format!("Who runs where under {}", series.name);
    head.draw(&Text::new(title, (70, 10), letters(19, INK)))?;
    let mut canvas = ChartBuilder::on(&body)
        .margin_right(24)
        .margin_left(14)
        .margin_top(4)
        .margin_bottom(6)
        .x_label_area_size(46)
        .y_label_area_size(70)
        .build_cartesian_2d(left..right, 0.0..top)?;
    canvas
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(letters(13, FAINT))
        .axis_desc_style(letters(14, INK))
        .x_labels(14)
        .y_labels(8)
        .x_label_formatter(&|value| number(*value))
        .y_label_formatter(&|value| number(*value))
        .y_desc("processors")
        .x_desc(format!("{} from the first submission", unit.name))
        .draw()?;
    // A border shows where one job ends and the next begins, unless it would hide the job.
    let wide = SIZE.0 - 108;
    let per_dot = (right - left) / f64::from(wide);
    for piece in &chart.pieces {
        let low = float(piece.lane as u64);
        let corners = [
            (at(piece.from_ms.max(chart.start_ms)), low),
            (at(piece.to_ms.min(chart.end_ms)), low + float(piece.lanes as u64)),
        ];
        let colour = area(piece.colour);
        canvas.plotting_area().draw(&Rectangle::new(corners, colour.filled()))?;
        if corners[1].0 - corners[0].0 > 4.0 * per_dot {
            canvas.plotting_area().draw(&Rectangle::new(corners, WHITE.mix(0.7)))?;
        }
    }
    root.present()?;
    Ok(())
}
