//! What a number of tries proves.

/// How many standard deviations hold 95 % of a normal distribution.
const Z: f64 = 1.96;

/// The upper end of the 95 % interval of a rate of which `seen` were seen in `tries`: 3/n for none
/// (Hanley and Lippman-Hand, JAMA 1983), else by Wilson's score (JASA 1927).
pub fn upper(seen: u64, tries: u64) -> f64 {
    if tries == 0 {
        return 1.0;
    }
    let n = tries as f64;
    if seen == 0 {
        return (3.0 / n).min(1.0);
    }
    let rate = seen as f64 / n;
    let middle = rate + Z * Z / (2.0 * n);
    let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    ((middle + half) / (1.0 + Z * Z / n)).min(1.0)
}

/// As a power of ten for small ones, in percent else.
pub fn show(rate: f64) -> String {
    if rate < 0.01 { format!("{rate:.1e}") } else { format!("{:.1} %", rate * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_three_thousand_is_one_in_a_thousand() {
        assert!((upper(0, 3000) - 0.001).abs() < 1e-12);
        assert!((upper(0, 0) - 1.0).abs() < 1e-12);
        assert!(upper(1, 3000) > 1.0 / 3000.0 && upper(1, 3000) < 0.003);
    }
}
