//! Bounds on gangs, constraints and alternatives, as far as no node need be known.

use repower_model::{Gang, JobSpec, LabelRule};

use super::{amounts, bad, out};
use crate::refusal::Refusal;

pub(super) fn check(spec: &JobSpec) -> Result<(), Refusal> {
    if let Some(gang) = spec.gang {
        ranks(gang)?;
    }
    let count = spec.alternatives.len();
    if count > JobSpec::ALTERNATIVES {
        return out("the number of alternatives", count, most(JobSpec::ALTERNATIVES));
    }
    spec.alternatives.iter().try_for_each(amounts)?;
    let rules = &spec.constraints.labels;
    if rules.len() > LabelRule::MOST {
        return out("the number of label rules", rules.len(), most(LabelRule::MOST));
    }
    rules.iter().try_for_each(rule)
}

fn ranks(gang: Gang) -> Result<(), Refusal> {
    if gang.nodes == 0 {
        return out("the number of nodes", 0, "at least 1".into());
    }
    if gang.ranks_per_node == 0 {
        return out("the number of ranks on each node", 0, "at least 1".into());
    }
    if gang.ranks() > Gang::MOST {
        let allowed = format!("at most {}", Gang::MOST);
        return out("the number of ranks", gang.ranks(), allowed);
    }
    Ok(())
}

fn rule(rule: &LabelRule) -> Result<(), Refusal> {
    if rule.values.len() > LabelRule::MOST {
        let what = "the number of values in a label rule";
        return out(what, rule.values.len(), most(LabelRule::MOST));
    }
    rule.check().or_else(|error| bad("a label rule", &format!("is not one: {error}")))
}

fn most(most: usize) -> String {
    format!("at most {most}")
}
