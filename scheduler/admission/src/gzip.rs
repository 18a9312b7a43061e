//! Gzip.

use std::io::{self, BufRead};

use flate2::bufread::MultiGzDecoder;

use crate::files::{Looker, Spot};

pub(crate) fn look(
    looker: &mut Looker<'_>,
    source: impl BufRead,
    spot: Spot<'_>,
) -> io::Result<()> {
    let mut inside = MultiGzDecoder::new(source);
    match looker.look(&mut inside, spot) {
        Err(error) if error.kind() != io::ErrorKind::ConnectionAborted => {
            looker.budget.unread(spot.place, "is a gzip that is damaged or ends early");
            Ok(())
        }
        other => other,
    }
}
