//! How pictures look: colours, letters, numbers.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

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
pub(super) const AREAS: [RGBColor; 9] = [
    RGBColor(121, 158, 202),
    RGBColor(244, 177, 131),
    RGBColor(143, 195, 146),
    RGBColor(224, 146, 148),
    RGBColor(184, 167, 210),
    RGBColor(190, 160, 139),
    RGBColor(232, 180, 211),
    RGBColor(219, 209, 122),
    RGBColor(134, 203, 211),
];

/// Areas of what has no colour of its own.
pub(super) const OTHERS: RGBColor = RGBColor(186, 190, 195);

pub(super) fn curve(at: usize) -> RGBColor {
    CURVES[at % CURVES.len()]
}

pub(super) fn letters(size: i32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

/// Letters that begin at a point and stand on its height.
pub(super) fn centred(size: i32, colour: RGBColor) -> TextStyle<'static> {
    letters(size, colour).pos(Pos::new(HPos::Left, VPos::Center))
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
