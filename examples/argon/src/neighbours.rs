//! Who is near whom: a Verlet list, made anew when somebody has moved too far.

use crate::potential::CUTOFF;
use serde::{Deserialize, Serialize};

/// How far beyond the cut the list reaches.
pub(crate) const SKIN: f64 = 0.3;

/// A place or a direction in space.
pub(crate) type Vector = [f64; 3];

/// A neighbour: who, and which periodic image of it is the near one.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Neighbour {
    /// Its number.
    pub(crate) particle: u32,
    /// The entry of [`Neighbours::images`] to add to the way from it.
    pub(crate) image: u32,
}

/// For each particle the later ones within the cut and the skin.
///
/// Positions are folded into the box when the list is made, and not in between: then the image of
/// each pair stays right, and the forces need no rounding.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Neighbours {
    images: [Vector; 27],
    list: Vec<Neighbour>,
    starts: Vec<usize>,
    places: Vec<Vector>,
}

impl Neighbours {
    /// The shifts of the images.
    #[inline]
    pub(crate) fn images(&self) -> &[Vector; 27] {
        &self.images
    }

    /// The later neighbours of a particle.
    #[inline]
    pub(crate) fn of(&self, particle: usize) -> &[Neighbour] {
        &self.list[self.starts[particle]..self.starts[particle + 1]]
    }

    /// Whether a pair may have come within the cut that is not in the list.
    pub(crate) fn stale(&self, positions: &[Vector]) -> bool {
        let far = (SKIN / 2.0) * (SKIN / 2.0);
        self.places.len() != positions.len()
            || self.places.iter().zip(positions).any(|(then, now)| square(then, now) > far)
    }

    /// Folds the positions into the box of `side` and lists all pairs.
    pub(crate) fn remake(&mut self, positions: &mut [Vector], side: f64) {
        for x in positions.iter_mut().flatten() {
            *x -= side * (*x / side).floor();
        }
        for (shift, image) in self.images.iter_mut().zip(0..) {
            *shift = [image / 9, image / 3 % 3, image % 3].map(|at| side * f64::from(at - 1));
        }
        self.places = positions.to_vec();
        self.list.clear();
        self.starts = vec![0];
        let mut near = vec![0; positions.len()];
        let reach = (CUTOFF + SKIN) * (CUTOFF + SKIN);
        for (at, one) in positions.iter().enumerate() {
            let next = u32::try_from(at).expect("at most 4,000 particles") + 1;
            // Written always, kept only if near: a branch here would be guessed wrong too often.
            let mut kept = 0;
            for (other, particle) in positions[at + 1..].iter().zip(next..) {
                near[kept] = particle;
                kept += usize::from(nearest(one, other, side) < reach);
            }
            self.list.extend(near[..kept].iter().map(|&particle| Neighbour {
                particle,
                image: image(one, &positions[particle as usize], side),
            }));
            self.starts.push(self.list.len());
        }
    }
}

/// The squared distance between one point and the nearest image of the other.
///
/// Both must be in the box, or less than half a box outside. No branch: it is asked of all pairs.
#[inline]
pub(crate) fn nearest(one: &Vector, other: &Vector, side: f64) -> f64 {
    let way = |axis: usize| {
        let direct = (one[axis] - other[axis]).abs();
        let around = side - direct;
        let way = if direct < around { direct } else { around };
        way * way
    };
    way(0) + way(1) + way(2)
}

/// The number of the image of `other` that is nearest to `one`.
fn image(one: &Vector, other: &Vector, side: f64) -> u32 {
    one.iter().zip(other).fold(0, |image, (a, b)| {
        let way = a - b;
        let less = u32::from(way > side / 2.0);
        let more = u32::from(way < -side / 2.0);
        image * 3 + 1 + more - less
    })
}

/// The squared distance between two points, without images.
fn square(one: &Vector, other: &Vector) -> f64 {
    one.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_of_a_pair_leads_to_its_distance() {
        let side = 8.0;
        let mut positions = vec![[0.1, 7.9, 4.0], [7.8, 0.2, 4.5], [0.3, 7.7, 3.9]];
        let mut neighbours = Neighbours::default();
        neighbours.remake(&mut positions, side);

        assert_eq!(neighbours.of(0).len(), 2);
        for (at, one) in positions.iter().enumerate() {
            for neighbour in neighbours.of(at) {
                let other = positions[neighbour.particle as usize];
                let shift = neighbours.images()[neighbour.image as usize];
                let way: f64 = (0..3).map(|k| (one[k] - other[k] + shift[k]).powi(2)).sum();
                assert!((way - nearest(one, &other, side)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn the_list_is_stale_once_somebody_moved_half_the_skin() {
        let mut positions = vec![[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]];
        let mut neighbours = Neighbours::default();
        assert!(neighbours.stale(&positions));
        neighbours.remake(&mut positions, 8.0);

        positions[1][0] += 0.14;
        assert!(!neighbours.stale(&positions));
        positions[1][0] += 0.02;
        assert!(neighbours.stale(&positions));
    }
}
