//! The start: particles on a lattice, so that none overlap.

use crate::neighbours::Vector;

/// The most particles that we simulate: the list of neighbours looks at every pair.
pub(crate) const PARTICLES_MAX: u32 = 4_000;

/// The corners of a cell of the face-centred cubic lattice.
const CELL: [Vector; 4] = [[0.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5], [0.5, 0.5, 0.0]];

/// Places on a face-centred cubic lattice in a cube of `side`; where the lattice has more sites than
/// needed, the empty ones are spread evenly.
pub(crate) fn face_centred(particles: u32, side: f64) -> Vec<Vector> {
    let cells = (1..=10)
        .find(|cells| 4 * cells * cells * cells >= particles)
        .expect("at most PARTICLES_MAX, which fill 10 cells a side");
    let sites = 4 * cells * cells * cells;
    let length = side / f64::from(cells);
    (0..particles)
        .map(|particle| u64::from(particle) * u64::from(sites) / u64::from(particles))
        .map(|site| u32::try_from(site).expect("less than `sites`"))
        .map(|site| {
            let (cell, corner) = (site / 4, CELL[site as usize % 4]);
            let at = [cell / cells / cells, cell / cells % cells, cell % cells];
            [0, 1, 2].map(|axis| (f64::from(at[axis]) + corner[axis] + 0.25) * length)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbours::nearest;

    #[test]
    fn any_number_of_particles_fits_and_none_overlap() {
        for particles in [32_u32, 260, 499, 500, 501, PARTICLES_MAX] {
            let side = (f64::from(particles) / 0.8).cbrt();

            let places = face_centred(particles, side);

            assert_eq!(places.len(), particles as usize);
            let closest = places.iter().enumerate().flat_map(|(at, one)| {
                places[at + 1..].iter().map(move |other| nearest(one, other, side))
            });
            assert!(closest.fold(f64::INFINITY, f64::min) > 0.64, "{particles}");
        }
    }
}
