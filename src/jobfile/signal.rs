//! Signals by name or number: `USR1`, `SIGUSR1`, `10`.

use std::str::FromStr;

/// The signals of Linux on the usual machines, from 1.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// A signal that a program can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    number: i32,
}

/// Why a text is not a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signal: write for example USR1, SIGUSR1 or 10")]
pub struct SignalError(String);

impl Signal {
    /// Returns its number.
    pub fn number(self) -> i32 {
        self.number
    }
}

/// Returns the name of a signal, without `SIG`; real-time signals have none.
pub fn name(number: i32) -> Option<&'static str> {
    let at = usize::try_from(number).ok()?.checked_sub(1)?;
    NAMES.get(at).copied()
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let upper = text.trim().to_ascii_uppercase();
        let word = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = (1..=31).find(|number| name(*number) == Some(word));
        let numbered = || word.parse::<i32>().ok().filter(|number| (1..=64).contains(number));
        named
            .or_else(numbered)
            .map(|number| Self { number })
            .ok_or_else(|| SignalError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_a_name_and_a_number() {
        let read = |text: &str| text.parse().map(Signal::number);

        assert_eq!(read("USR1"), Ok(10));
        assert_eq!(read("sigterm"), Ok(15));
        assert_eq!(read("34"), Ok(34));
        assert_eq!(read("0"), Err(SignalError("0".into())));
        assert_eq!(read("65"), Err(SignalError("65".into())));
        assert_eq!(read("SIGNAL"), Err(SignalError("SIGNAL".into())));
        assert_eq!((name(9), name(31), name(32), name(0)), (Some("KILL"), Some("SYS"), None, None));
    }
}
