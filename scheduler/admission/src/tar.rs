//! Tar: headers of 512 bytes, each followed by what it announces.
//!
//! Read by hand, because names and maps of sparse files may be announced as large as one likes, and
//! nothing here is kept.

use std::io::{self, Read};

use crate::bounded::fill;
use crate::files::{Looker, Spot};
use crate::{name, plain};

const BLOCK: usize = 512;

/// Whether a block is a header: its checksum says so.
pub(crate) fn is_header(head: &[u8]) -> bool {
    let Some(block) = head.get(..BLOCK) else { return false };
    let Some(told) = octal(&block[148..156]) else { return false };
    if block.iter().all(|byte| *byte == 0) {
        return false;
    }
    let sum = |at: usize, byte: u8| if (148..156).contains(&at) { 32 } else { u64::from(byte) };
    let found: u64 = block.iter().enumerate().map(|(at, byte)| sum(at, *byte)).sum();
    found == told
}

pub(crate) fn look(
    looker: &mut Looker<'_>,
    source: &mut dyn Read,
    spot: Spot<'_>,
) -> io::Result<()> {
    let mut block = [0; BLOCK];
    loop {
        let read = fill(source, &mut block)?;
        if read == 0 || !looker.goes_on(read, spot.place)? {
            return Ok(());
        }
        if block[..read].iter().all(|byte| *byte == 0) {
            // Two of these end an archive; what follows belongs to nobody.
            continue;
        }
        if read < BLOCK || !is_header(&block) {
            looker.budget.unread(spot.place, "is a tar that is damaged or ends early");
            return rest(looker, source, spot, &block[..read]);
        }
        let Some(size) = size(&block[124..136]) else {
            looker.budget.unread(spot.place, "is a tar that announces a length that cannot be");
            return rest(looker, source, spot, &block);
        };
        let place = name::place(spot.place, named(&block));
        if !looker.budget.take_member(&place) {
            return Ok(());
        }
        let executable = octal(&block[100..108]).is_some_and(|mode| mode & 0o111 != 0);
        let mut inside = Read::take(&mut *source, size);
        let there = Spot { place: &place, depth: spot.depth, executable };
        looker.look(&mut inside, there)?;
        looker.drain(&mut inside, there)?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        looker.drain(&mut Read::take(&mut *source, padding), spot)?;
        if looker.budget.is_spent {
            return Ok(());
        }
    }
}

/// Looks at what cannot be taken apart as it is.
fn rest(
    looker: &mut Looker<'_>,
    source: &mut dyn Read,
    spot: Spot<'_>,
    block: &[u8],
) -> io::Result<()> {
    plain::look(looker, &mut io::Cursor::new(block).chain(source), spot, block)
}

fn named(block: &[u8; BLOCK]) -> &[u8] {
    let name = &block[..100];
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    &name[..end]
}

/// A length: octal digits, or 63 bits as they are behind a mark.
fn size(field: &[u8]) -> Option<u64> {
    if field.first().is_some_and(|first| first & 0x80 != 0) {
        let (high, low) = field.split_at(field.len() - 8);
        let rest = high.iter().skip(1).all(|byte| *byte == 0) && high[0] == 0x80;
        let value = u64::from_be_bytes(low.try_into().ok()?);
        return (rest && value < 1 << 62).then_some(value);
    }
    octal(field)
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let digits = text.trim_matches(|c: char| c == ' ' || c == '\0');
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(digits, 8).ok()
}
