//! What one policy says otherwise than another.

use std::collections::BTreeSet;

use repower_model::Egress;

use super::Policy;

/// Something that two policies say differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is about, like `class.ai-training.tier`.
    pub key: String,
    /// What the first says; `None`: nothing.
    pub before: Option<String>,
    /// What the second says; `None`: nothing.
    pub after: Option<String>,
}

/// All that `after` says otherwise than `before`, by key. Comments, order and spelling of the texts do
/// not count, but for the version.
pub fn diff(before: &Policy, after: &Policy) -> Vec<Difference> {
    let gone = |name: &&String| !after.classes.contains_key(*name);
    let gone: BTreeSet<&String> = before.classes.keys().filter(gone).collect();
    let (mut before, after) = (before.sayings(), after.sayings());
    // What a class was that is gone is said in one line, not key by key.
    before.retain(|(key, _)| {
        let of = key.strip_prefix("class.").and_then(|rest| rest.split_once('.'));
        of.is_none_or(|(name, what)| what == "tier" || !gone.iter().any(|gone| *gone == name))
    });
    for (key, value) in &mut before {
        let name = key.strip_prefix("class.").and_then(|rest| rest.strip_suffix(".tier"));
        if let Some(name) = name.filter(|name| gone.iter().any(|gone| gone == name)) {
            (*key, *value) = (format!("class.{name}"), format!("{value}, and is gone now"));
        }
    }
    let keys: BTreeSet<&String> = before.iter().chain(&after).map(|(key, _)| key).collect();
    let find = |all: &[(String, String)], key: &str| {
        all.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
    };
    let all = keys.into_iter().map(|key| Difference {
        before: find(&before, key),
        after: find(&after, key),
        key: key.clone(),
    });
    all.filter(|one| one.before != one.after).collect()
}

impl Difference {
    /// Whether it lets tasks be root that were not let before.
    pub fn gives_root(&self) -> bool {
        let mut words = self.key.split('.');
        let is_of_class = words.next() == Some("class") && words.next_back() == Some("root");
        is_of_class && self.after.as_deref() == Some("true")
    }
}

impl Policy {
    /// All that it says, as keys and values.
    fn sayings(&self) -> Vec<(String, String)> {
        let mut said = vec![("policy-version".to_owned(), self.version.clone())];
        let mut say = |key: String, value: String| {
            if !value.is_empty() {
                said.push((key, value));
            }
        };
        say("jurisdictions".into(), self.jurisdictions.join(", "));
        for (name, text) in &self.site {
            say(format!("site.{name}"), text.clone());
        }
        say("catalogue".into(), self.catalogue.title());
        for (name, mapping) in &self.mappings {
            say(format!("mapping.{name}"), mapping.catalogue.title());
            for (class, entry) in &mapping.entries {
                say(format!("mapping.{name}.class.{class}"), entry.clone());
            }
        }
        for (name, class) in &self.classes {
            let key = |what: &str| format!("class.{name}.{what}");
            say(key("tier"), class.tier.to_string());
            say(key("about"), class.about.clone());
            say(key("entry"), class.entry.clone());
            say(key("isolation"), class.isolation.as_str().to_owned());
            say(key("root"), class.root.to_string());
            say(key("egress"), reach(&class.egress));
            let evidence: Vec<_> = class.evidence.iter().map(|one| one.as_str()).collect();
            say(key("evidence"), evidence.join(", "));
            say(key("replicate"), class.replication.to_string());
            say(key("detector"), class.detector.in_words());
        }
        for (name, tariff) in &self.tariffs {
            say(format!("tariff.{name}"), tariff.in_words());
        }
        let admission = &self.admission;
        say("admission.on-hit".into(), admission.on_hit.as_str().into());
        say("admission.on-unread".into(), admission.on_unread.as_str().into());
        say("admission.review-words".into(), admission.review_words.join(", "));
        let digests: Vec<_> = admission.known_digests.iter().map(ToString::to_string).collect();
        say("admission.known-digests".into(), digests.join(", "));
        let rules =
            admission.yara_rules.as_ref().map(|rules| super::hash_of(rules.text.as_bytes()));
        let rules = rules.map(|hash| format!("rules with sha256 {hash}"));
        say("admission.yara-rules".into(), rules.unwrap_or_default());
        let images = admission.images.as_ref().map(|images| {
            let all: Vec<_> = images.iter().map(|image| format!("sha256:{image}")).collect();
            format!("only {}", if all.is_empty() { "none".to_owned() } else { all.join(", ") })
        });
        say("admission.images".into(), images.unwrap_or_default());
        say("approvals.longest".into(), admission.longest_approval.to_string());
        let scheduling = &self.scheduling;
        say("scheduling.policy".into(), scheduling.discipline.as_str().to_owned());
        say("scheduling.half-life".into(), scheduling.half_life.to_string());
        if let Some(preemption) = scheduling.preemption {
            let (from, below) = (preemption.from, preemption.below);
            say("scheduling.preemption".into(), format!("from {from}, below {below}"));
        }
        for (name, project) in &self.projects {
            let milli = project.share_milli;
            let share = format!("{}.{:03}", milli / 1000, milli % 1000);
            say(format!("project.{name}.share"), share);
            for quota in &project.quota {
                let most = quota.dimension.show(quota.most);
                say(format!("project.{name}.quota.{}", quota.dimension), most);
            }
        }
        said
    }
}

fn reach(egress: &Egress) -> String {
    match egress {
        Egress::Open => "open".to_owned(),
        Egress::None => "none".to_owned(),
        Egress::Only(places) => places.join(", "),
    }
}

impl super::Catalogue {
    /// Whose it is, its edition and since when, as far as that is known.
    pub fn title(&self) -> String {
        let since = if self.effective.is_empty() {
            String::new()
        } else {
            format!("since {}", self.effective)
        };
        let parts = [self.jurisdiction.as_str(), self.edition.as_str(), since.as_str()];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

impl super::Tariff {
    /// The surcharge, what it is charged on, and by which rule.
    pub fn in_words(&self) -> String {
        let micro = self.surcharge_micro_per_kwh;
        let (whole, part) = (micro / 1_000_000, micro % 1_000_000);
        let mut words = format!(
            "{whole}.{part:06} {} per kWh on the {}, from {}",
            self.currency,
            self.scope.as_str(),
            self.since.as_str()
        );
        if self.ahead_minutes != 0 {
            let (sign, ahead) =
                (if self.ahead_minutes < 0 { '-' } else { '+' }, self.ahead_minutes.unsigned_abs());
            words = format!("{words}, by UTC{sign}{:02}:{:02}", ahead / 60, ahead % 60);
        }
        for (what, text) in
            [("by", &self.rule), ("effective", &self.effective), ("until", &self.until)]
        {
            if !text.is_empty() {
                words = format!("{words}, {what} {text}");
            }
        }
        words
    }
}

impl super::Detector {
    /// What of it is not as usual; empty: all is.
    fn in_words(&self) -> String {
        let usual = Self::default();
        let (own, usual) = (self.values(), usual.values());
        let changed = own.iter().zip(&usual).filter(|(own, usual)| own != usual);
        let words: Vec<_> = changed.map(|((key, value), _)| format!("{key} {value}")).collect();
        words.join(", ")
    }

    fn values(&self) -> [(&'static str, String); 16] {
        [
            ("watch", self.watch.to_string()),
            ("generated-code", self.generated_code.to_string()),
            ("hardest", self.hardest.as_str().to_owned()),
            ("rounding-samples", self.rounding_samples.to_string()),
            ("rounding-modes", self.rounding_modes.to_string()),
            ("rounding-windows", self.rounding_windows.to_string()),
            ("rounding-apart", self.rounding_apart.to_string()),
            ("flow-window", self.flow_window.to_string()),
            ("flow-bytes-per-second", self.flow_bytes_per_second.to_string()),
            ("flow-push-every", self.flow_push_every.to_string()),
            ("flow-idle", self.flow_idle.to_string()),
            ("flat-for", self.flat_for.to_string()),
            ("flat-least-permille", self.flat_least_permille.to_string()),
            ("flat-spread-permille", self.flat_spread_permille.to_string()),
            ("stop-every", self.stop_every.to_string()),
            ("look-every", self.look_every.to_string()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DEFAULT;

    #[test]
    fn what_is_only_written_otherwise_is_no_difference() {
        let before = Policy::parse(DEFAULT).unwrap();
        let after = Policy::parse(&format!("# a comment\n{DEFAULT}")).unwrap();

        assert_ne!(before.hash, after.hash);
        assert_eq!(diff(&before, &after), []);
    }

    #[test]
    fn what_a_policy_says_otherwise_is_named_by_its_key() {
        let before = Policy::parse(DEFAULT).unwrap();
        let text = DEFAULT
            .replace(
                "[class.render-transcode]\ntier = \"permitted\"",
                "[class.render-transcode]\ntier = \"review\"",
            )
            .replace("[class.software-build]", "[class.builds]");
        let after =
            Policy::parse(&format!("{text}\n[class.builds.detector]\nhardest = \"freeze\"\n"))
                .unwrap();

        let found = diff(&before, &after);

        let has = |key: &str, before: Option<&str>, after: Option<&str>| {
            found.iter().any(|one| {
                (one.key.as_str(), one.before.as_deref(), one.after.as_deref())
                    == (key, before, after)
            })
        };
        assert!(has("class.render-transcode.tier", Some("permitted"), Some("review")), "{found:?}");
        assert!(has("class.software-build", Some("permitted, and is gone now"), None), "{found:?}");
        let of_gone = found.iter().filter(|one| one.key.starts_with("class.software-build"));
        assert_eq!(of_gone.count(), 1, "one line says it: {found:?}");
        assert!(found.iter().any(|one| one.key == "class.builds.root" && one.gives_root()));
        assert!(has("class.builds.detector", None, Some("hardest freeze")), "{found:?}");
    }
}
