//! Amounts as people read them; computed from whole numbers only.

const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// Writes bytes with one digit after the point where there is one: `512 MiB`, `1.5 GiB`.
pub fn bytes(bytes: u64) -> String {
    let mut power = 0;
    while power + 1 < UNITS.len() && bytes >> (10 * (power + 1)) > 0 {
        power += 1;
    }
    let whole = bytes >> (10 * power);
    let rest = bytes - (whole << (10 * power));
    // Never rounded up: what is shown as free must be there.
    let tenth = (u128::from(rest) * 10) >> (10 * power);
    if tenth == 0 {
        format!("{whole} {}", UNITS[power])
    } else {
        format!("{whole}.{tenth} {}", UNITS[power])
    }
}

/// Writes thousandths of a processor as processors: `2`, `0.5`.
pub fn cpus(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Writes a share as whole percent, rounded down; nothing of nothing is nothing.
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        0
    } else {
        u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX)
    }
}

/// Writes a number and its noun: `1 task`, `3 tasks`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_never_rounded_up() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1 KiB");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes((1 << 30) - 1), "1023.9 MiB");
        assert_eq!(bytes(u64::MAX), "15.9 EiB");
    }

    #[test]
    fn cpus_lose_their_noughts() {
        assert_eq!(cpus(2000), "2");
        assert_eq!(cpus(500), "0.5");
        assert_eq!(cpus(1), "0.001");
        assert_eq!(cpus(0), "0");
        assert_eq!(cpus(10_000), "10");
    }
}
