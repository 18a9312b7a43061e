//! What tasks say of their progress.

use repower_model::{Claim, Count, Fraction, Progress, Timestamp, check_unit};

use super::{ConvertError, Problem, moment, moment_ms};
use crate::v1;

impl From<&Progress> for v1::Progress {
    fn from(progress: &Progress) -> Self {
        Self {
            claim: progress.claim.as_ref().map(Into::into),
            said_ms: progress.said.as_millis(),
            changed_ms: progress.changed.as_millis(),
            first_ppm: progress.first.map(|(first, _)| first.as_ppm()),
            first_ms: moment_ms(progress.first.map(|(_, at)| at)),
            lines: progress.lines,
            bad_lines: progress.bad_lines,
            mistake: progress.mistake.clone(),
        }
    }
}

impl TryFrom<v1::Progress> for Progress {
    type Error = ConvertError;

    /// A mistake that is too long is cut.
    fn try_from(wire: v1::Progress) -> Result<Self, ConvertError> {
        let first = wire.first_ppm.map(|ppm| fraction("first_ppm", ppm)).transpose()?;
        let mut mistake = wire.mistake;
        mistake.truncate(mistake.floor_char_boundary(Self::LONGEST_MISTAKE));
        Ok(Self {
            claim: wire.claim.map(Claim::try_from).transpose().map_err(|e| e.within("claim"))?,
            said: Timestamp::from_millis(wire.said_ms),
            changed: Timestamp::from_millis(wire.changed_ms),
            first: first.map(|first| (first, moment(wire.first_ms).unwrap_or_default())),
            lines: wire.lines,
            bad_lines: wire.bad_lines,
            mistake,
        })
    }
}

impl From<&Claim> for v1::Claim {
    fn from(claim: &Claim) -> Self {
        Self {
            done_ppm: claim.done.map(Fraction::as_ppm),
            count: claim.count.as_ref().map(|count| v1::Count {
                unit: count.unit.clone(),
                value: count.value,
                total: count.total.unwrap_or(0),
            }),
        }
    }
}

impl TryFrom<v1::Claim> for Claim {
    type Error = ConvertError;

    /// As strict as the reader of lines: what comes over the wire is shown to people.
    fn try_from(wire: v1::Claim) -> Result<Self, ConvertError> {
        let done = wire.done_ppm.map(|ppm| fraction("done_ppm", ppm)).transpose()?;
        let count = wire.count.map(count).transpose()?;
        if done.is_none() && count.is_none() {
            return Err(ConvertError::new("done_ppm", Problem::Missing));
        }
        Ok(Self { done, count })
    }
}

fn fraction(field: &str, ppm: u32) -> Result<Fraction, ConvertError> {
    let value = i32::try_from(ppm).unwrap_or(i32::MAX);
    Fraction::from_ppm(ppm).ok_or_else(|| ConvertError::new(field, Problem::Unknown { value }))
}

fn count(wire: v1::Count) -> Result<Count, ConvertError> {
    let v1::Count { unit, value, total } = wire;
    if check_unit(&unit).is_err() {
        return Err(ConvertError::new("count.unit", Problem::UnknownWord { word: unit }));
    }
    let count = Count { unit, value, total: (total != 0).then_some(total) };
    let shown = i32::try_from(count.value).unwrap_or(i32::MAX);
    let wrong = ConvertError::new("count.value", Problem::Unknown { value: shown });
    count.check().map(|()| count).map_err(|_| wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        Progress {
            claim: Some(Claim::read(b"0.42 step=1200/3000").unwrap()),
            said: Timestamp::from_millis(9),
            changed: Timestamp::from_millis(8),
            first: Some((Fraction::from_ppm(7).unwrap(), Timestamp::from_millis(1))),
            lines: 3,
            bad_lines: 1,
            mistake: "it is empty".into(),
        }
    }

    #[test]
    fn progress_comes_back_as_it_was() {
        let only_bad = Progress { claim: None, first: None, ..progress() };
        for one in [progress(), only_bad] {
            assert_eq!(Progress::try_from(v1::Progress::from(&one)), Ok(one));
        }
    }

    #[test]
    fn what_no_line_could_say_is_refused_and_a_long_mistake_is_cut() {
        let wire = || v1::Progress::from(&progress());
        let with = |change: &dyn Fn(&mut v1::Claim)| {
            let mut wire = wire();
            change(wire.claim.as_mut().unwrap());
            Progress::try_from(wire).map_err(|error| error.field)
        };
        let unit = |claim: &mut v1::Claim| claim.count.as_mut().unwrap().unit = "\x1b[2J".into();
        let total = |claim: &mut v1::Claim| claim.count.as_mut().unwrap().total = 7;

        assert_eq!(with(&|claim| claim.done_ppm = Some(1_000_001)), Err("claim.done_ppm".into()));
        assert_eq!(with(&|claim| *claim = v1::Claim::default()), Err("claim.done_ppm".into()));
        assert_eq!(with(&unit), Err("claim.count.unit".into()));
        assert_eq!(with(&total), Err("claim.count.value".into()));
        let long = v1::Progress { mistake: "\u{fc}".repeat(200), ..wire() };
        assert_eq!(Progress::try_from(long).unwrap().mistake.len(), 200);
    }
}
