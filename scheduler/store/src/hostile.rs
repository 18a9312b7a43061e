//! What comes from outside may be anything: the readers of text and bytes refuse it, and do not fall over.

use proptest::prelude::*;

use crate::checkpoint::Checkpoint;
use crate::export;
use crate::hex;
use crate::merkle::Frontier;
use crate::note::{Note, SignerKey, VerifierKey};

/// Text that has the marks of notes, keys and exports in it more often than chance would.
fn texts() -> impl Strategy<Value = String> {
    let marks = prop_oneof![
        Just("\n"),
        Just("\n\n"),
        Just("— "),
        Just(" "),
        Just("+"),
        Just("="),
        Just("AAAA"),
        Just("0"),
        Just("42"),
        Just("{\"seq\":"),
        Just("{\"head\":\""),
        Just("\",\"leaf\":\""),
        Just("\"}"),
        Just("a"),
        Just("é"),
        Just("PRIVATE+KEY+"),
        Just("c74f20a3"),
    ];
    prop_oneof![
        any::<String>(),
        prop::collection::vec(marks, 0..40).prop_map(|marks| marks.concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in texts()) {
        if let Ok(note) = Note::parse(&text) {
            prop_assert!(text.starts_with(note.text()));
        }
        if let Ok(checkpoint) = Checkpoint::parse_text(&text) {
            prop_assert_eq!(checkpoint.text(), text.clone(), "one text has one reading");
        }
        if let Ok(key) = text.parse::<VerifierKey>() {
            prop_assert_eq!(key.to_string(), text.clone());
        }
        prop_assert!(text.parse::<SignerKey>().is_err());
        if let Some(bytes) = hex::parse(&text) {
            prop_assert_eq!(hex::of(&bytes), text.clone());
        }
        let mut lines = text.as_bytes();
        for number in 1.. {
            match export::read_line(&mut lines, number) {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }

    #[test]
    fn any_bytes_are_a_frontier_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frontier) = Frontier::from_bytes(&bytes) {
            prop_assert_eq!(frontier.to_bytes(), bytes);
        }
    }
}
