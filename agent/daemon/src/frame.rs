//! Messages on a stream of bytes: before each comes its length, four bytes, the lowest first.

use prost::Message;

/// The largest message: orders of the scheduler, which may carry a long script, and what is around them.
pub(crate) const LARGEST: usize = 65 << 20;

/// Room that a buffer keeps although nothing is in it.
const KEPT: usize = 256 << 10;

/// What cannot be a message, so that nothing after it can be read either.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("a message of {length} bytes, more than the {LARGEST} that one may have")]
    TooLong { length: usize },
    #[error("a message that cannot be read")]
    Garbled { source: prost::DecodeError },
}

/// Adds a message to `out`.
pub(crate) fn append(message: &impl Message, out: &mut Vec<u8>) {
    let length = message.encoded_len();
    let told = u32::try_from(length).expect("a message is far smaller than 4 GiB");
    out.reserve(4 + length);
    out.extend_from_slice(&told.to_le_bytes());
    message.encode(out).expect("a vector takes all that is written");
}

/// One message as bytes.
pub(crate) fn bytes(message: &impl Message) -> Vec<u8> {
    let mut out = Vec::new();
    append(message, &mut out);
    out
}

/// Bytes as they come, and the messages in them.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    /// How much of it has been taken.
    taken: usize,
}

impl Frames {
    /// Adds what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Takes the next message; `None` if not all of it has come.
    pub(crate) fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Malformed> {
        let rest = &self.buffer[self.taken..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else {
            self.tidy();
            return Ok(None);
        };
        let length = usize::try_from(u32::from_le_bytes(*head)).unwrap_or(usize::MAX);
        if length > LARGEST {
            return Err(Malformed::TooLong { length });
        }
        let Some(body) = rest.get(..length) else {
            self.tidy();
            return Ok(None);
        };
        let message = M::decode(body).map_err(|source| Malformed::Garbled { source })?;
        self.taken += 4 + length;
        Ok(Some(message))
    }

    /// Drops what was taken, and the room that only a large message needed.
    fn tidy(&mut self) {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.is_empty() && self.buffer.capacity() > KEPT {
            self.buffer = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use repower_proto::v1::{Greeting, LinkDown};

    use super::*;

    fn greeting(version: &str) -> Greeting {
        Greeting {
            protocol: 1,
            version: version.into(),
            instance: vec![7; 16],
            ..Greeting::default()
        }
    }

    #[test]
    fn messages_come_out_whole_and_in_order_however_they_are_cut() {
        let mut all = Vec::new();
        let messages: Vec<_> = ["a", "", &"long".repeat(500)].map(greeting).to_vec();
        for message in &messages {
            append(message, &mut all);
        }

        for size in [1, 3, 4, 5, 100, all.len()] {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in all.chunks(size) {
                frames.push(piece);
                while let Some(message) = frames.next::<Greeting>().unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, messages, "in pieces of {size}");
        }
    }

    #[test]
    fn a_length_that_no_message_has_and_bytes_that_are_none_are_refused() {
        let mut frames = Frames::default();
        frames.push(&u32::MAX.to_le_bytes());
        assert!(matches!(frames.next::<Greeting>(), Err(Malformed::TooLong { .. })));

        let mut frames = Frames::default();
        frames.push(&[3, 0, 0, 0, 0xff, 0xff, 0xff]);
        assert!(matches!(frames.next::<Greeting>(), Err(Malformed::Garbled { .. })));
    }

    #[test]
    fn the_room_of_a_large_message_is_given_back() {
        let mut frames = Frames::default();
        frames.push(&bytes(&greeting(&"x".repeat(4 << 20))));
        frames.push(&bytes(&LinkDown { heard_ms: 1 })[..3]);

        assert!(frames.next::<Greeting>().unwrap().is_some());
        frames.push(&bytes(&LinkDown { heard_ms: 1 })[3..]);
        assert!(frames.next::<LinkDown>().unwrap().is_some());
        assert!(frames.next::<LinkDown>().unwrap().is_none());

        assert!(frames.buffer.capacity() <= KEPT);
    }
}
