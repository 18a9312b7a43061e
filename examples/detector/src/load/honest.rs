//! Work as people submit it.

use super::Step;

/// A generator of numbers between 0 and 1.
fn numbers(mut state: u64) -> impl FnMut() -> f64 {
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// One batch of gradient descent of a network with one hidden layer.
pub(super) fn descent() -> Step {
    const IN: usize = 32;
    const HIDDEN: usize = 64;
    let mut random = numbers(7);
    let mut first: Vec<f32> = (0..IN * HIDDEN).map(|_| random() as f32 - 0.5).collect();
    let mut second: Vec<f32> = (0..HIDDEN).map(|_| random() as f32 - 0.5).collect();
    Box::new(move || {
        let mut loss = 0.0;
        for _ in 0..32 {
            let input: Vec<f32> = (0..IN).map(|_| random() as f32).collect();
            let wanted = (input.iter().sum::<f32>() / IN as f32).sin();
            let hidden: Vec<f32> = first
                .chunks(IN)
                .map(|row| row.iter().zip(&input).map(|(a, b)| a * b).sum::<f32>().tanh())
                .collect();
            let given: f32 = hidden.iter().zip(&second).map(|(a, b)| a * b).sum();
            let error = given - wanted;
            loss += f64::from(error * error);
            for (index, row) in first.chunks_mut(IN).enumerate() {
                let slope = error * second[index] * (1.0 - hidden[index] * hidden[index]);
                row.iter_mut().zip(&input).for_each(|(weight, x)| *weight -= 0.01 * slope * x);
            }
            second.iter_mut().zip(&hidden).for_each(|(weight, x)| *weight -= 0.01 * error * x);
        }
        loss
    })
}

/// One step of a few hundred particles with a Lennard-Jones potential.
pub(super) fn molecules() -> Step {
    const COUNT: usize = 256;
    const SIDE: f64 = 7.0;
    let mut at: Vec<[f64; 3]> = (0..COUNT)
        .map(|n| [n % 7, n / 7 % 7, n / 49].map(|part| part as f64 * SIDE / 7.0 + 0.1))
        .collect();
    let mut random = numbers(11);
    let mut speed: Vec<[f64; 3]> =
        (0..COUNT).map(|_| [random() - 0.5, random() - 0.5, random() - 0.5]).collect();
    Box::new(move || {
        let mut force = vec![[0.0; 3]; COUNT];
        for one in 0..COUNT {
            for other in 0..one {
                let mut gap = [0.0; 3];
                for axis in 0..3 {
                    let apart = at[one][axis] - at[other][axis];
                    gap[axis] = apart - SIDE * (apart / SIDE).round();
                }
                let square = gap.iter().map(|part| part * part).sum::<f64>().max(0.7);
                if square < 6.25 {
                    let sixth = 1.0 / (square * square * square);
                    let pull = 24.0 * sixth * (2.0 * sixth - 1.0) / square;
                    for axis in 0..3 {
                        force[one][axis] += pull * gap[axis];
                        force[other][axis] -= pull * gap[axis];
                    }
                }
            }
        }
        for ((at, speed), force) in at.iter_mut().zip(&mut speed).zip(&force) {
            for axis in 0..3 {
                speed[axis] = (speed[axis] + 0.001 * force[axis]).clamp(-5.0, 5.0);
                at[axis] = (at[axis] + 0.001 * speed[axis]).rem_euclid(SIDE);
            }
        }
        at[0][0]
    })
}

/// The area of a circle, and prices of options, by chance.
pub(super) fn monte_carlo() -> Step {
    let mut random = numbers(13);
    Box::new(move || {
        let mut sum = 0.0;
        for _ in 0..10_000 {
            let (u, v) = (random().max(1e-12), random());
            let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
            sum += (100.0 * (0.2 * normal - 0.02).exp() - 100.0).max(0.0);
        }
        sum
    })
}
