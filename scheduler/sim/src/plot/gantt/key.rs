//! Which colour is whose.

use plotters::coord::Shift;
use plotters::prelude::*;

use super::super::style::{AREAS, FAINT, INK, OTHERS, centred};
use super::super::{Drawn, Scene};
use crate::trace::Job;

/// Names of projects are cut to so many letters.
const LETTERS: usize = 18;

/// Heights of the title and of one row of names.
const TITLE: u32 = 36;
const ROW: u32 = 22;

/// Which colour is whose: of several projects those that take most have their own, the rest have one
/// together; where there is one project, colours tell jobs apart that lie side by side.
pub(super) struct Key {
    /// The colour of each project; empty: there is only one.
    colours: Vec<RGBColor>,
    /// What is written: where, in which row, in which colour, which name.
    entries: Vec<(i32, u32, RGBColor, String)>,
}

impl Key {
    /// The key of a scene for a picture so wide. It is the same for all policies.
    pub(super) fn of(scene: &Scene<'_>, width: u32) -> Self {
        let projects = &scene.workload.projects;
        if projects.len() < 2 {
            return Self { colours: Vec::new(), entries: Vec::new() };
        }
        let mut taken = vec![0_u128; projects.len()];
        for job in &scene.workload.jobs {
            let (run, cpus) = (job.run.as_millis(), job.cpus.as_milli());
            taken[job.project as usize] += u128::from(run) * u128::from(cpus);
        }
        let mut order: Vec<usize> = (0..projects.len()).filter(|at| taken[*at] > 0).collect();
        order.sort_by_key(|at| (std::cmp::Reverse(taken[*at]), *at));
        let mut colours = vec![OTHERS; projects.len()];
        let mut named: Vec<(RGBColor, String)> = Vec::new();
        for (at, colour) in order.iter().zip(AREAS) {
            colours[*at] = colour;
            named.push((colour, projects[*at].chars().take(LETTERS).collect()));
        }
        let others = order.len().saturating_sub(AREAS.len());
        if others > 0 {
            named.push((OTHERS, format!("{others} more")));
        }
        Self { colours, entries: set(named, width) }
    }

    /// How much room the title and the names take.
    pub(super) fn height(&self) -> u32 {
        TITLE + self.entries.last().map_or(0, |(_, row, _, _)| ROW * (row + 1)) + 4
    }

    pub(super) fn colour(&self, at: usize, job: &Job) -> RGBColor {
        let own = self.colours.get(job.project as usize);
        own.copied().unwrap_or(AREAS[at % AREAS.len()])
    }

    pub(super) fn paint(&self, head: &DrawingArea<SVGBackend<'_>, Shift>) -> Drawn {
        if self.entries.is_empty() {
            let note = "colours only tell neighbours apart";
            head.draw(&Text::new(note, (420, 22), centred(13, FAINT)))?;
        }
        for (x, row, colour, name) in &self.entries {
            let y = i32::try_from(TITLE + ROW * row + ROW / 2).unwrap_or(0);
            let corners = [(*x, y - 6), (x + 16, y + 6)];
            head.draw(&Rectangle::new(corners, colour.filled()))?;
            head.draw(&Text::new(name.clone(), (x + 22, y), centred(13, INK)))?;
        }
        Ok(())
    }
}

/// Sets names side by side, and in a new row where one would reach beyond the edge.
fn set(named: Vec<(RGBColor, String)>, width: u32) -> Vec<(i32, u32, RGBColor, String)> {
    const LEFT: i32 = 84;
    let right = i32::try_from(width).unwrap_or(i32::MAX) - 24;
    let (mut x, mut row) = (LEFT, 0);
    let mut entries = Vec::new();
    for (colour, name) in named {
        let wide = 44 + 8 * i32::try_from(name.chars().count()).unwrap_or(0);
        if x + wide > right && x > LEFT {
            (x, row) = (LEFT, row + 1);
        }
        entries.push((x, row, colour, name));
        x += wide;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_do_not_fit_beside_each_other_get_another_row() {
        let names = |count: usize| vec![(OTHERS, "a".repeat(LETTERS)); count];

        let rows = |count| set(names(count), 1200).iter().map(|entry| entry.1).max();

        assert_eq!((rows(1), rows(5), rows(6), rows(10)), (Some(0), Some(0), Some(1), Some(1)));
    }
}
