//! Zip, from its beginning to its end: each part that announces itself is looked at, whatever the
//! directory at the end says of it. What lies between the parts is looked at as it is.

use std::io::{self, BufRead, Read};

use flate2::bufread::DeflateDecoder;

use crate::between::Between;
use crate::bounded::fill;
use crate::files::{Looker, Spot};
use crate::{name, plain};

const SIGNATURE: [u8; 4] = *b"PK\x03\x04";
/// The rest of a header after its signature.
const HEADER: usize = 26;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// What a part says of itself.
struct Part {
    flags: u16,
    method: u16,
    /// Packed; `None`: it stands behind the part.
    length: Option<u64>,
    place: String,
}

pub(crate) fn look<R: Read>(
    looker: &mut Looker<'_>,
    source: &mut io::BufReader<R>,
    spot: Spot<'_>,
) -> io::Result<()> {
    let mut between = Between::new(looker.sought.patterns, spot);
    let end = parts(looker, source, spot, &mut between);
    between.judge(looker, spot);
    end
}

fn parts<R: Read>(
    looker: &mut Looker<'_>,
    source: &mut io::BufReader<R>,
    spot: Spot<'_>,
    between: &mut Between<'_>,
) -> io::Result<()> {
    while find(looker, source, spot, between)? {
        let Some(part) = read(source, spot, between)? else {
            looker.budget.unread(spot.place, "is a zip that is damaged or ends early");
            return Ok(());
        };
        if !looker.budget.take_member(&part.place) {
            return Ok(());
        }
        between.part(&part.place, part.length.is_some_and(|length| length > 0));
        inside(looker, source, spot, &part)?;
        if looker.budget.is_spent {
            return Ok(());
        }
    }
    Ok(())
}

fn inside<R: Read>(
    looker: &mut Looker<'_>,
    source: &mut io::BufReader<R>,
    spot: Spot<'_>,
    part: &Part,
) -> io::Result<()> {
    const ENCRYPTED: u16 = 1;
    let there = Spot { place: &part.place, depth: spot.depth, executable: false };
    let skip = |looker: &mut Looker<'_>, source: &mut io::BufReader<R>, why: &str| {
        looker.budget.unread(there.place, why);
        // It may be no more than said to be so. Without a length, the next signature ends it.
        let mut bytes = Read::take(&mut *source, part.length.unwrap_or(0));
        plain::look(looker, &mut bytes, there, &[])
    };
    if part.flags & ENCRYPTED != 0 {
        return skip(looker, source, "is encrypted");
    }
    match (part.method, part.length) {
        (STORED, Some(length)) => {
            let mut bytes = Read::take(&mut *source, length);
            looker.look(&mut bytes, there)?;
            looker.drain(&mut bytes, there)
        }
        (DEFLATED, _) => {
            let mut bytes = DeflateDecoder::new(&mut *source);
            let end = looker.look(&mut bytes, there);
            match end.and_then(|()| looker.drain(&mut bytes, there)) {
                Err(error) if error.kind() != io::ErrorKind::ConnectionAborted => {
                    looker.budget.unread(there.place, "is a zip that is damaged or ends early");
                    Ok(())
                }
                other => other,
            }
        }
        (STORED, None) => skip(looker, source, "does not say how long it is"),
        (_, _) => skip(looker, source, "is packed in a way that is not unpacked here"),
    }
}

/// Goes behind the next signature; false if there is none.
fn find<R: Read>(
    looker: &mut Looker<'_>,
    source: &mut io::BufReader<R>,
    spot: Spot<'_>,
    between: &mut Between<'_>,
) -> io::Result<bool> {
    let mut matched = 0;
    loop {
        let buffer = source.fill_buf()?;
        if buffer.is_empty() {
            between.ends();
            return Ok(false);
        }
        let mut used = 0;
        for byte in buffer {
            used += 1;
            matched = if *byte == SIGNATURE[matched] {
                matched + 1
            } else {
                usize::from(*byte == SIGNATURE[0])
            };
            if matched == SIGNATURE.len() {
                break;
            }
        }
        between.feed(&buffer[..used]);
        source.consume(used);
        if !looker.goes_on(used, spot.place)? {
            return Ok(false);
        }
        if matched == SIGNATURE.len() {
            between.ends();
            return Ok(true);
        }
    }
}

/// Reads what a part says of itself; `None` if it ends early.
fn read(
    source: &mut dyn Read,
    spot: Spot<'_>,
    between: &mut Between<'_>,
) -> io::Result<Option<Part>> {
    const LENGTH_BEHIND: u16 = 8;
    const LONG: u64 = 0xffff_ffff;
    let mut header = [0; HEADER];
    if fill(source, &mut header)? < HEADER {
        return Ok(None);
    }
    let short = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let length = u64::from(u32::from_le_bytes([header[14], header[15], header[16], header[17]]));
    let (flags, method) = (short(2), short(4));
    let mut name = vec![0; usize::from(short(22))];
    let mut extra = vec![0; usize::from(short(24))];
    let filled = fill(source, &mut name)? + fill(source, &mut extra)?;
    // They are long enough for something else than a name.
    between.beside(&name);
    between.beside(&extra);
    if filled < name.len() + extra.len() {
        return Ok(None);
    }
    let length = match length {
        LONG => long(&extra),
        0 if flags & LENGTH_BEHIND != 0 => None,
        length => Some(length),
    };
    Ok(Some(Part { flags, method, length, place: name::place(spot.place, &name) }))
}

/// The packed length of a large part, from its extra fields.
fn long(mut extra: &[u8]) -> Option<u64> {
    const LONG_FIELD: u16 = 1;
    while extra.len() >= 4 {
        let (id, length) = (
            u16::from_le_bytes([extra[0], extra[1]]),
            usize::from(u16::from_le_bytes([extra[2], extra[3]])),
        );
        let field = extra.get(4..4 + length)?;
        if id == LONG_FIELD {
            // The length unpacked stands first.
            let packed = field.get(8..16)?;
            return packed.try_into().ok().map(u64::from_le_bytes);
        }
        extra = &extra[4 + length..];
    }
    None
}
