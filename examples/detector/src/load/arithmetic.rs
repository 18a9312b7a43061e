//! Dense arithmetic.

use super::Step;

const SIDE: usize = 128;
const POINTS: usize = 1 << 12;

/// A product of two matrices of side 128.
pub(super) fn matrix_product() -> Step {
    let a: Vec<f64> = (0..SIDE * SIDE).map(|n| (n % 17) as f64).collect();
    let b: Vec<f64> = (0..SIDE * SIDE).map(|n| (n % 13) as f64).collect();
    let mut c = vec![0.0; SIDE * SIDE];
    Box::new(move || {
        for row in 0..SIDE {
            for inner in 0..SIDE {
                let left = a[row * SIDE + inner];
                let (from, into) = (&b[inner * SIDE..][..SIDE], &mut c[row * SIDE..][..SIDE]);
                for (into, from) in into.iter_mut().zip(from) {
                    *into = left * from + 0.5 * *into;
                }
            }
        }
        c[SIDE]
    })
}

/// A transform of 4,096 points and back, by decimation in time.
pub(super) fn fourier() -> Step {
    let mut re: Vec<f64> = (0..POINTS).map(|n| (n as f64 * 0.37).sin()).collect();
    let mut im = vec![0.0; POINTS];
    Box::new(move || {
        transform(&mut re, &mut im, -1.0);
        transform(&mut re, &mut im, 1.0);
        for (re, im) in re.iter_mut().zip(&mut im) {
            *re /= POINTS as f64;
            *im /= POINTS as f64;
        }
        re[1]
    })
}

fn transform(re: &mut [f64], im: &mut [f64], sign: f64) {
    let bits = POINTS.trailing_zeros();
    for n in 0..POINTS {
        let other = n.reverse_bits() >> (usize::BITS - bits);
        if n < other {
            re.swap(n, other);
            im.swap(n, other);
        }
    }
    let mut length = 2;
    while length <= POINTS {
        let angle = sign * std::f64::consts::TAU / length as f64;
        for start in (0..POINTS).step_by(length) {
            for n in 0..length / 2 {
                let (sin, cos) = (angle * n as f64).sin_cos();
                let (even, odd) = (start + n, start + n + length / 2);
                let (x, y) = (re[odd] * cos - im[odd] * sin, re[odd] * sin + im[odd] * cos);
                (re[odd], im[odd]) = (re[even] - x, im[even] - y);
                (re[even], im[even]) = (re[even] + x, im[even] + y);
            }
        }
        length *= 2;
    }
}
