//! Known answers from the documentation of `golang.org/x/mod/sumdb/note` and from c2sp.org/signed-note.

use super::*;

const SIGNER: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const VERIFIER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const OTHER: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const LINE: &str = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const OTHER_LINE: &str = "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn key(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

#[test]
fn keys_and_signatures_are_those_of_the_go_implementation_byte_for_byte() {
    let signer: SignerKey = SIGNER.parse().unwrap();

    assert_eq!(signer.verifier().to_string(), VERIFIER);
    assert_eq!(signer.to_secret_string(), SIGNER);
    assert_eq!(sign(TEXT, &signer).unwrap(), format!("{TEXT}\n{LINE}"));
}

#[test]
fn a_note_with_two_signatures_verifies_for_both_keys() {
    let note = Note::parse(&format!("{TEXT}\n{LINE}{OTHER_LINE}")).unwrap();

    assert_eq!(note.text(), TEXT);
    assert_eq!(note.signatures().len(), 2);
    note.verify(&key(VERIFIER)).unwrap();
    note.verify(&key(OTHER)).unwrap();
}

#[test]
fn the_example_of_the_specification_verifies() {
    let foo = key("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k");
    let note = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

    Note::parse(note).unwrap().verify(&foo).unwrap();
}

#[test]
fn a_changed_text_is_told_from_a_missing_signature() {
    let changed = format!("{}\n{LINE}", TEXT.replace("answer", "master"));
    let forged = Note::parse(&changed).unwrap().verify(&key(VERIFIER));
    let missing = Note::parse(&format!("{TEXT}\n{LINE}")).unwrap().verify(&key(OTHER));

    assert!(matches!(forged, Err(NoteError::Forged { .. })), "{forged:?}");
    assert!(matches!(missing, Err(NoteError::OtherKey { .. })), "{missing:?}");
}

#[test]
fn no_part_and_no_mangling_of_a_key_is_a_key() {
    for text in [VERIFIER, SIGNER] {
        let parses =
            |text: &str| text.parse::<VerifierKey>().is_ok() || text.parse::<SignerKey>().is_ok();
        for start in 0..text.len() {
            for end in start + 1..=text.len() {
                if (start, end) != (0, text.len()) {
                    assert!(!parses(&text[start..end]), "{}", &text[start..end]);
                }
            }
        }
        for at in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] += 1;
            let mangled = String::from_utf8(bytes).unwrap();
            assert!(!parses(&mangled), "{mangled}");
        }
    }
    let long = "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==";
    assert!(matches!(long.parse::<VerifierKey>(), Err(KeyError::Bytes { .. })));
    let unknown = "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
    assert!(matches!(
        unknown.parse::<VerifierKey>(),
        Err(KeyError::Algorithm { algorithm: 0x65, .. })
    ));
}

#[test]
fn malformed_notes_are_refused() {
    let refused = |note: String| Note::parse(&note).unwrap_err();

    assert_eq!(refused(TEXT.to_owned()), NoteError::Unsigned);
    assert_eq!(refused(format!("{TEXT}\n")), NoteError::Unsigned);
    assert_eq!(refused(format!("{TEXT}\n{}", LINE.trim_end())), NoteError::Unsigned);
    assert_eq!(refused(format!("{TEXT}{LINE}")), NoteError::Unsigned);
    assert_eq!(refused(format!("{TEXT}\n{LINE}no line\n")), NoteError::SignatureLine { line: 2 });
    assert_eq!(refused(format!("{TEXT}\n— a+b AAAAAAA=\n")), NoteError::SignatureLine { line: 1 });
    assert_eq!(refused(format!("{TEXT}\n— short AAAA\n")), NoteError::SignatureLine { line: 1 });
    assert_eq!(refused(format!("a\tb\n\n{LINE}")), NoteError::Text);
    assert_eq!(
        refused(format!("{TEXT}\n{}", LINE.repeat(101))),
        NoteError::TooManySignatures { lines: 101 }
    );
    assert!(matches!(refused("x".repeat(70_000)), NoteError::TooLong { bytes: 70_000 }));
    assert_eq!(sign("no newline", &SIGNER.parse().unwrap()), Err(NoteError::Text));
}
