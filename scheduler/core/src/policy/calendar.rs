//! Days, months and distances from UTC, as far as rules name them.

use repower_model::Timestamp;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;

/// When a day like 2024-02-01 begins, so many minutes ahead of UTC; `None` if it is none.
pub(super) fn beginning(date: &str, ahead_minutes: i32) -> Option<Timestamp> {
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    Some(local(days(year, month, day), ahead_minutes))
}

/// When the day after it begins.
pub(super) fn end(date: &str, ahead_minutes: i32) -> Option<Timestamp> {
    let begins = beginning(date, ahead_minutes)?;
    Some(Timestamp::from_millis(begins.as_millis().saturating_add(DAY_MS)))
}

/// When the month begins in which a moment is.
pub(super) fn month_of(at: Timestamp, ahead_minutes: i32) -> Timestamp {
    let here = at.as_millis().saturating_add(i64::from(ahead_minutes) * MINUTE_MS);
    let day = here.div_euclid(DAY_MS);
    local(day - (day_of_month(day) - 1), ahead_minutes)
}

/// Reads how far a place is ahead of UTC, like `+08:00`, in minutes.
pub(super) fn ahead(text: &str) -> Option<i32> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let number = |part: &str, most: i32| {
        let digits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse::<i32>().ok().filter(|number| digits && *number <= most)
    };
    Some(sign * (number(hours, 14)? * 60 + number(minutes, 59)?))
}

fn local(day: i64, ahead_minutes: i32) -> Timestamp {
    Timestamp::from_millis(day * DAY_MS - i64::from(ahead_minutes) * MINUTE_MS)
}

/// Days since 1970-01-01 of the Gregorian calendar: eras of 400 years that begin in March, so that
/// the day that is sometimes there stands last (Hinnant, "chrono-compatible low-level date algorithms").
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The day of its month, from 1, of a day since 1970-01-01: the way back.
fn day_of_month(day: i64) -> i64 {
    let of_era = (day + 719_468).rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    of_year - (153 * month + 2) / 5 + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_1970_and_back() {
        assert_eq!(beginning("1970-01-01", 0), Some(Timestamp::from_millis(0)));
        assert_eq!(beginning("2000-02-29", 0), Some(Timestamp::from_millis(951_782_400_000)));
        assert_eq!(beginning("2026-11-22", 480), Some(Timestamp::from_millis(1_795_276_800_000)));
        assert_eq!(end("2026-11-21", 480), beginning("2026-11-22", 480));
        assert_eq!(beginning("soon", 0), None);
        // Two leap years of a century, one that is none, and every day between.
        for day in days(1999, 1, 1)..days(2101, 1, 1) {
            let at = Timestamp::from_millis(day * DAY_MS);
            let begins = month_of(at, 0).as_millis() / DAY_MS;
            assert_eq!((day_of_month(begins), day - begins + 1), (1, day_of_month(day)));
        }
    }

    #[test]
    fn a_month_begins_where_the_meter_is() {
        let late = beginning("2026-11-30", 0).unwrap() + repower_model::Span::from_secs(20 * 3600);

        assert_eq!(Some(month_of(late, 0)), beginning("2026-11-01", 0));
        assert_eq!(Some(month_of(late, 480)), beginning("2026-12-01", 480), "it is December there");
    }

    #[test]
    fn a_distance_from_utc_has_a_sign_hours_and_minutes() {
        assert_eq!(ahead("+08:00"), Some(480));
        assert_eq!(ahead("-03:30"), Some(-210));
        for bad in ["08:00", "+8:00", "+08", "+15:00", "+08:60", "", "+"] {
            assert_eq!(ahead(bad), None, "{bad}");
        }
    }
}
