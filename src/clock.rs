//! The one place of the command line that asks what time it is.

use jiff::{Timestamp, Zoned};

/// Returns milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Returns the time in the zone of whoever is at the terminal.
pub(crate) fn here() -> Zoned {
    Zoned::now()
}
