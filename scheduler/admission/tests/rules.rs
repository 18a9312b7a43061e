//! Rules of YARA: run with `--features yara`.
#![cfg(feature = "yara")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::io::Write as _;

use repower_admission::{Limits, Looked, Rules, RulesError, Sought, files, ruled};
use repower_model::{JobSpec, Mark, Sign};
use repower_patterns::Patterns;

const MARKER: &str = r#"
rule marker : demo
{
    strings:
        $one = "cobalt harvest"
        $two = { 63 6f 62 ?? 6c 74 }
    condition:
        all of them and filesize < 40MB
}
"#;

fn look(rules: &Rules, bytes: &[u8]) -> Looked {
    let patterns = Patterns::new();
    let digests = BTreeSet::new();
    let sought = Sought { patterns: &patterns, digests: &digests, rules: Some(rules) };
    files(sought, &mut &bytes[..], false, &Limits::default(), &|| false).unwrap()
}

fn told(looked: &Looked) -> Vec<(Sign, &str)> {
    looked.marks.iter().map(|mark| (mark.sign, mark.place.as_str())).collect()
}

#[test]
fn a_rule_that_matches_is_a_mark_also_inside_an_archive_and_in_the_texts_of_a_job() {
    let rules = Rules::compile(MARKER).unwrap();
    let hit = b"data, and a cobalt harvest in it".as_slice();
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes) in [("plain.txt", b"nothing".as_slice()), ("bin/tool", hit)] {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        tar.append_data(&mut header, name, bytes).unwrap();
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(&tar.into_inner().unwrap()).unwrap();
    let packed = packed.finish().unwrap();

    assert_eq!(told(&look(&rules, hit)), [(Sign::Rule, "")]);
    let inside = look(&rules, &packed);
    assert_eq!(told(&inside), [(Sign::Rule, "bin/tool")]);
    assert_eq!(inside.marks[0].detail, "matches the rule `marker` of the policy");
    assert_eq!(told(&look(&rules, b"nothing of it")), []);
    let spec = JobSpec { script: hit.to_vec(), ..JobSpec::default() };
    let marks: Vec<Mark> = ruled(&rules, &spec);
    assert_eq!(marks.len(), 1);
    assert_eq!((marks[0].sign, marks[0].place.as_str()), (Sign::Rule, "script"));
    assert_eq!(ruled(&rules, &JobSpec::default()), []);
}

#[test]
fn of_a_long_file_the_beginning_is_looked_at_and_the_rest_is_said_not_to_be() {
    let rules = Rules::compile(MARKER).unwrap();
    let mut long = vec![b' '; 33 << 20];
    long[..14].copy_from_slice(b"cobalt harvest");
    assert_eq!(told(&look(&rules, &long)), [(Sign::Rule, ""), (Sign::Unread, "")]);

    let end = long.len() - 14;
    long.rotate_left(14);
    assert_eq!(&long[end..], b"cobalt harvest");
    assert_eq!(told(&look(&rules, &long)), [(Sign::Unread, "")]);
}

#[test]
fn what_is_wrong_with_rules_is_told_by_line_and_all_of_it() {
    let wrong = |text: &str| match Rules::compile(text) {
        Err(RulesError::Wrong(faults)) => faults,
        other => panic!("{other:?}"),
    };

    let faults = wrong("rule a {\n condition:\n  nonsense\n}\nrule b {\n condition:\n  $x\n}\n");
    assert_eq!(faults.iter().map(|one| one.line).collect::<Vec<_>>(), [3, 7], "{faults:?}");
    let error = RulesError::Wrong(faults);
    assert!(error.told(20)[0].starts_with("line 22: "), "{:?}", error.told(20));
    assert_eq!(wrong("import \"pe\"\nrule a { condition: true }\n")[0].line, 1);
    assert_eq!(wrong("include \"other.yar\"\nrule a { condition: true }\n")[0].line, 1);
    assert_eq!(wrong("// nothing\n")[0].problem, "there is no rule in them");
    assert!(!wrong("rule a {\n").is_empty());
}
