//! What an entry of the epoll set is about.

use repower_agent_core::Stream;
use rustix::event::epoll::EventData;

/// What an entry of the epoll set is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// A thread was woken.
    Wake,
    /// A moment has come.
    Timer,
    /// Somebody wants to connect.
    Door,
    /// Something in the executor's folder was removed.
    Folder,
    /// A signal has come.
    Signal,
    /// The process of this serial has ended.
    Exit(u64),
    /// It has printed something.
    Output(u64, Stream),
    /// The agent of this number has said something.
    Incoming(u64),
    /// It has room for more.
    Outgoing(u64),
}

/// The lowest bits, which say what kind of token it is.
const KIND: u64 = 7;

impl Token {
    pub(super) fn pack(self) -> EventData {
        let (number, kind) = match self {
            Self::Wake => (0, 0),
            Self::Timer => (1, 0),
            Self::Door => (2, 0),
            Self::Folder => (3, 0),
            Self::Signal => (4, 0),
            Self::Exit(serial) => (serial, 1),
            Self::Output(serial, Stream::Stdout) => (serial, 2),
            Self::Output(serial, Stream::Stderr) => (serial, 3),
            Self::Incoming(number) => (number, 4),
            Self::Outgoing(number) => (number, 5),
        };
        EventData::new_u64(number << 3 | kind)
    }

    pub(super) fn unpack(data: u64) -> Self {
        let number = data >> 3;
        match (data & KIND, number) {
            (1, serial) => Self::Exit(serial),
            (2, serial) => Self::Output(serial, Stream::Stdout),
            (3, serial) => Self::Output(serial, Stream::Stderr),
            (4, number) => Self::Incoming(number),
            (5, number) => Self::Outgoing(number),
            (_, 1) => Self::Timer,
            (_, 2) => Self::Door,
            (_, 3) => Self::Folder,
            (_, 4) => Self::Signal,
            _ => Self::Wake,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_the_epoll_set() {
        let fixed = [Token::Wake, Token::Timer, Token::Door, Token::Folder, Token::Signal];
        let numbered = [0, 1, 2, u64::MAX >> 3].into_iter().flat_map(|number| {
            let streams =
                [Stream::Stdout, Stream::Stderr].map(|stream| Token::Output(number, stream));
            let others = [Token::Exit(number), Token::Incoming(number), Token::Outgoing(number)];
            streams.into_iter().chain(others)
        });

        for token in fixed.into_iter().chain(numbered) {
            assert_eq!(Token::unpack(token.pack().u64()), token);
        }
    }
}
