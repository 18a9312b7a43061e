//! What tasks say of their progress, always as what they say: nobody has checked it.

use jiff::tz::TimeZone;
use repower_proto::convert::moment_ms;
use repower_proto::v1::{Claim, ClaimedProgress, Progress, TaskSummary};

use super::quantity::count;
use super::{time, words};

/// Cells of a bar.
const BAR: u32 = 20;

/// How much of its work is done, in millionths: as it is said, or else by what was counted.
pub fn done_ppm(claim: &Claim) -> Option<u32> {
    let claim = repower_model::Claim::try_from(claim.clone()).ok()?;
    claim.done().map(repower_model::Fraction::as_ppm)
}

/// When it would end at the pace that it claims, in milliseconds since 1970.
pub fn expected_end_ms(claimed: &ClaimedProgress) -> Option<i64> {
    Some(claimed.expected_end_ms).filter(|ms| *ms != moment_ms(None))
}

/// What it says, in one short word for a column: `42.0%`, or what it counts.
pub fn brief(claimed: &ClaimedProgress) -> Option<String> {
    let claim = claimed.progress.as_ref()?.claim.as_ref()?;
    let counted = || {
        let count = claim.count.as_ref()?;
        Some(format!("{} {}", count.value, words::tame(&count.unit)))
    };
    done_ppm(claim).map(percent).or_else(counted)
}

/// What it says, with a bar: `[########............] 42.0%, step 1200 of 3000`.
fn whole(claim: &Claim) -> String {
    let done = done_ppm(claim).map(|ppm| {
        let full = ppm / (1_000_000 / BAR);
        let (full, rest) = ("#".repeat(full as usize), ".".repeat((BAR - full.min(BAR)) as usize));
        format!("[{full}{rest}] {}", percent(ppm))
    });
    let counted = claim.count.as_ref().map(|count| {
        let of = if count.total == 0 { String::new() } else { format!(" of {}", count.total) };
        format!("{} {}{of}", words::tame(&count.unit), count.value)
    });
    [done, counted].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn percent(ppm: u32) -> String {
    format!("{}.{}%", ppm / 10_000, ppm / 1000 % 10)
}

/// What a process says that goes on: what, when, and when it would end if that were so.
pub fn live(claimed: &ClaimedProgress, (zone, now_ms): (&TimeZone, i64)) -> Option<String> {
    let progress = claimed.progress.as_ref()?;
    let said = whole(progress.claim.as_ref()?);
    let age = time::between(progress.said_ms, now_ms);
    let mut line = format!("claims {said}, {age} ago");
    let same_ms = progress.said_ms.saturating_sub(progress.changed_ms);
    if same_ms >= 10_000 {
        line = format!("{line}, the same for {}", time::between(progress.changed_ms, now_ms));
    }
    let end = expected_end_ms(claimed).map(|at| {
        let calendar = time::calendar(at, zone);
        if at > now_ms {
            format!("; at that pace it ends {calendar} (in {})", time::between(now_ms, at))
        } else {
            format!("; at that pace it would have ended {calendar}")
        }
    });
    Some(line + &end.unwrap_or_default())
}

/// What is wrong with lines that a process wrote; `None`: nothing is.
pub fn bad_lines(progress: &Progress) -> Option<String> {
    (progress.bad_lines > 0).then(|| {
        let all = count(progress.lines, "line");
        let mistake = words::tame(&progress.mistake);
        format!(
            "wrote {} of {all} about its progress that are no claim: {mistake}",
            progress.bad_lines
        )
    })
}

/// Returns what attempts say of their progress or have said last, a line for each that says something and one for
/// each with bad lines.
pub fn lines(attempts: &[TaskSummary], at: (&TimeZone, i64)) -> Vec<String> {
    let mut lines = Vec::new();
    for task in attempts {
        let Some(claimed) = &task.progress else { continue };
        let Some(progress) = &claimed.progress else { continue };
        let rank = if claimed.rank == 0 { String::new() } else { format!("/{}", claimed.rank) };
        let id = format!("{}.{}#{}{rank}", task.job, task.index, task.attempt);
        let said = match (&progress.claim, task.ended_ms) {
            (Some(_), 0) => live(claimed, at),
            (Some(claim), _) => Some(format!("claimed {} at its end", whole(claim))),
            (None, _) => None,
        };
        let told = [said, bad_lines(progress)].into_iter().flatten();
        lines.extend(told.map(|line| format!("{id} {line}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::Count;

    use super::*;

    fn claimed(done_ppm: Option<u32>, count: Option<(u64, u64)>) -> ClaimedProgress {
        let count = count.map(|(value, total)| Count { unit: "step".into(), value, total });
        let progress = Progress {
            claim: Some(Claim { done_ppm, count }),
            said_ms: 1_777_633_500_000,
            changed_ms: 1_777_633_499_000,
            lines: 12,
            ..Progress::default()
        };
        ClaimedProgress { progress: Some(progress), rank: 0, expected_end_ms: 1_777_634_000_000 }
    }

    fn task(progress: ClaimedProgress) -> TaskSummary {
        TaskSummary { job: 12, attempt: 2, progress: Some(progress), ..TaskSummary::default() }
    }

    #[test]
    fn what_is_said_is_told_as_a_claim_with_its_age_and_where_it_leads() {
        let at = (&TimeZone::UTC, 1_777_633_503_000);
        let one = task(claimed(Some(429_999), Some((1200, 3000))));

        assert_eq!(
            lines(&[one, TaskSummary::default()], at),
            ["12.0#2 claims [########............] 42.9%, step 1200 of 3000, 3.0s ago; \
              at that pace it ends 2026-05-01 11:13:20 (in 8m17s)"]
        );
        let late = (&TimeZone::UTC, 1_777_634_001_000);
        let text = lines(&[task(claimed(Some(1_000_000), None))], late).concat();
        assert!(text.contains("[####################] 100.0%, 8m21s ago"), "{text}");
        assert!(text.ends_with("; at that pace it would have ended 2026-05-01 11:13:20"), "{text}");
    }

    #[test]
    fn what_stands_still_what_was_said_last_and_bad_lines_are_told() {
        let at = (&TimeZone::UTC, 1_777_633_503_000);
        let mut still = claimed(None, Some((7, 0)));
        still.expected_end_ms = 0;
        if let Some(progress) = &mut still.progress {
            progress.changed_ms = 1_777_633_203_000;
            (progress.bad_lines, progress.mistake) = (2, "it is \x1b empty".into());
        }
        let over = TaskSummary { ended_ms: 1, ..task(claimed(Some(500_000), None)) };

        let told = lines(&[task(still), over], at);

        assert_eq!(told[0], "12.0#2 claims step 7, 3.0s ago, the same for 5m00s");
        assert!(told[1].starts_with("12.0#2 wrote 2 of 12 lines about its progress"), "{told:?}");
        assert!(!told[1].contains('\x1b'), "{told:?}");
        assert_eq!(told[2], "12.0#2 claimed [##########..........] 50.0% at its end");
    }

    #[test]
    fn a_column_has_the_percentage_or_what_is_counted() {
        assert_eq!(brief(&claimed(None, Some((1, 8)))).as_deref(), Some("12.5%"));
        assert_eq!(brief(&claimed(None, Some((7, 0)))).as_deref(), Some("7 step"));
        assert_eq!(brief(&ClaimedProgress::default()), None);
    }
}
