//! Files that are packed as one stream: gzip, xz, zstd and bzip2.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::files::{Looker, Spot};
use crate::plain;
use crate::zstd::Frames;

/// How a file is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

impl Packing {
    /// How a file is packed, by its beginning.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        let is_zstd = |head: &[u8]| match head {
            // A frame that is to be skipped may come first.
            [first, 0x2a, 0x4d, 0x18, ..] => first & 0xf0 == 0x50,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
            _ => false,
        };
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Self::Gzip),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            [b'B', b'Z', b'h', b'1'..=b'9', ..] => Some(Self::Bzip2),
            head if is_zstd(head) => Some(Self::Zstd),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Bzip2 => "bzip2",
        }
    }

    /// Whether unpacking takes as much memory as the file asks for, up to a bound.
    fn is_heavy(self) -> bool {
        matches!(self, Self::Xz | Self::Zstd)
    }
}

/// How many that are heavy are unpacked inside each other.
const HEAVY: u32 = 2;

/// The most memory that one of them gets for what it looks back at.
pub(crate) const BACK: u32 = 64 << 20;
/// What the xz format adds to that, at most.
const XZ_REST: u32 = 1 << 20;

pub(crate) fn look(
    looker: &mut Looker<'_>,
    mut source: impl BufRead,
    packing: Packing,
    spot: Spot<'_>,
) -> io::Result<()> {
    let name = packing.as_str();
    let heavy = u32::from(packing.is_heavy());
    if looker.heavy + heavy > HEAVY {
        let why = format!("is packed with {name} in others that take as much memory");
        looker.budget.unread(spot.place, &why);
        return looker.drain(&mut source, spot);
    }
    looker.heavy += heavy;
    let end = match packing {
        Packing::Gzip => inside(looker, MultiGzDecoder::new(&mut source), spot),
        Packing::Xz => inside(
            looker,
            XzReader::new_mem_limit(&mut source, true, (BACK + XZ_REST) / 1024),
            spot,
        ),
        Packing::Zstd => inside(looker, Frames::new(&mut source), spot),
        Packing::Bzip2 => inside(looker, MultiBzDecoder::new(&mut source), spot),
    };
    looker.heavy -= heavy;
    match end {
        Err(error) if error.kind() != io::ErrorKind::ConnectionAborted => {
            let why = format!("is a {name} that is damaged, ends early or wants too much memory");
            looker.budget.unread(spot.place, &why);
            // What lies behind it may be anything.
            plain::look(looker, &mut source, spot, &[])
        }
        other => other,
    }
}

fn inside(looker: &mut Looker<'_>, mut unpacked: impl Read, spot: Spot<'_>) -> io::Result<()> {
    looker.look(&mut unpacked, spot)
}
