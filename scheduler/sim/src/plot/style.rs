//! How pictures look: colours, letters, the axis of time.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use repower_model::Span;

/// Letters.
pub(super) const INK: RGBColor = RGBColor(38, 43, 51);
/// Letters beside the point.
pub(super) const FAINT: RGBColor = RGBColor(105, 113, 124);
/// Lines of the grid.
pub(super) const GRID: RGBColor = RGBColor(226, 229, 233);

/// Colours that people with colour blindness can tell apart (Okabe and Ito), without yellow, which
/// is hard to see on white, and then darker ones.
const CURVES: [RGBColor; 12] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(80, 80, 80),
    RGBColor(120, 60, 140),
    RGBColor(140, 90, 40),
    RGBColor(60, 120, 40),
    RGBColor(170, 40, 60),
    RGBColor(30, 60, 110),
];

/// Soft colours for areas that lie side by side.
const AREAS: [RGBColor; 10] = [
    RGBColor(121, 158, 202),
    RGBColor(244, 177, 131),
    RGBColor(143, 195, 146),
    RGBColor(224, 146, 148),
    RGBColor(184, 167, 210),
    RGBColor(190, 160, 139),
    RGBColor(232, 180, 211),
    RGBColor(172, 176, 181),
    RGBColor(219, 209, 122),
    RGBColor(134, 203, 211),
];

pub(super) fn curve(at: usize) -> RGBColor {
    CURVES[at % CURVES.len()]
}

pub(super) fn area(at: usize) -> RGBColor {
    AREAS[at % AREAS.len()]
}

pub(super) fn letters(size: i32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

/// Letters that begin at a point and stand on its height.
pub(super) fn centred(size: i32, colour: RGBColor) -> TextStyle<'static> {
    letters(size, colour).pos(Pos::new(HPos::Left, VPos::Center))
}

/// The unit of the axis of time for a span of so many milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    pub(super) name: &'static str,
    ms: f64,
}

impl Unit {
    pub(super) fn of(length: Span) -> Self {
        const HOUR: f64 = 3_600_000.0;
        match length.as_millis() / 1000 {
            0..600 => Self { name: "seconds", ms: 1000.0 },
            600..36_000 => Self { name: "minutes", ms: 60_000.0 },
            36_000..259_200 => Self { name: "hours", ms: HOUR },
            _ => Self { name: "days", ms: 24.0 * HOUR },
        }
    }

    pub(super) fn count(self, ms: u64) -> f64 {
        float(ms) / self.ms
    }
}

/// Amounts in pictures need no more than 53 bits.
#[expect(clippy::cast_precision_loss, reason = "a picture has a few thousand dots")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

/// Writes a number of an axis without noughts that say nothing.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Names families of letters that most systems have.
pub(super) fn plain_families(svg: &str) -> String {
    svg.replace(
        "font-family=\"sans-serif\"",
        "font-family=\"'Inter','Helvetica Neue',Arial,'DejaVu Sans',sans-serif\"",
    )
}
