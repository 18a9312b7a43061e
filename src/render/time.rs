//! Times: short spans for tables, RFC 3339 for programs, the local calendar for people.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use repower_model::Span;
use repower_proto::v1::JobSpec;

/// Writes a span in its two largest units: `350ms`, `3.2s`, `4m12s`, `2h05m`, `3d04h`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0 => format!("{ms}ms"),
        1..=9 => format!("{seconds}.{}s", ms % 1000 / 100),
        10..=59 => format!("{seconds}s"),
        60..=3599 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..=86_399 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Writes the span between two moments; the other way round is no time at all.
pub fn between(from_ms: i64, to_ms: i64) -> String {
    span(u64::try_from(to_ms.saturating_sub(from_ms)).unwrap_or(0))
}

/// Writes a moment as RFC 3339 in UTC; `None` for 0, which the wire uses for "not yet".
pub fn rfc3339(ms: i64) -> Option<String> {
    (ms != 0)
        .then_some(ms)
        .and_then(|ms| Timestamp::from_millisecond(ms).ok())
        .map(|at| format!("{at:.3}"))
}

/// Writes a moment in a zone of the calendar, to the second: `2026-05-01 18:30:05`.
pub fn calendar(ms: i64, zone: &TimeZone) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "-".to_owned(),
        |at| at.to_zoned(zone.clone()).strftime("%F %T").to_string(),
    )
}

/// When an attempt must start at the latest, in milliseconds since 1970.
pub fn latest_safe_start(spec: &JobSpec) -> Option<i64> {
    let span = |ms| (ms != 0).then(|| Span::from_millis(ms));
    let moment = |ms| (ms != 0).then(|| repower_model::Timestamp::from_millis(ms));
    let timing = repower_model::JobSpec {
        deadline: moment(spec.deadline_ms),
        expected: span(spec.expected_ms),
        time_limit: span(spec.time_limit_ms),
        ..repower_model::JobSpec::default()
    };
    timing.latest_safe_start().map(repower_model::Timestamp::as_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        let shown = [0, 350, 3_240, 42_000, 252_000, 7_530_000, 273_600_000].map(span);

        assert_eq!(shown, ["0ms", "350ms", "3.2s", "42s", "4m12s", "2h05m", "3d04h"]);
    }

    #[test]
    fn moments_are_utc_for_programs_and_local_for_people() {
        assert_eq!(rfc3339(1_777_633_200_000).as_deref(), Some("2026-05-01T11:00:00.000Z"));
        assert_eq!(rfc3339(0), None);
        assert_eq!(
            calendar(1_777_633_200_000, &TimeZone::fixed(jiff::tz::offset(8))),
            "2026-05-01 19:00:00"
        );
    }
}
