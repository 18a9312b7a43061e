//! What operators declare that their nodes draw.

use std::collections::BTreeMap;

use repower_model::{Finding, METER, NodeId, WATTS, Watts, watts_of};

/// The labels of a node, ascending by name.
pub type Labels = [(String, String)];

/// What the nodes of a cell are declared to draw, by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declared {
    nodes: BTreeMap<NodeId, Watts>,
    accounts: BTreeMap<String, Account>,
}

/// What is declared of the nodes on one metering account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Account {
    watts: Watts,
    nodes: u32,
    /// Nodes of which nothing is declared.
    silent: u32,
}

impl Declared {
    /// From the labels of all nodes.
    pub fn of<'a>(nodes: impl IntoIterator<Item = (NodeId, &'a Labels)>) -> Self {
        let mut declared = Self::default();
        for (node, labels) in nodes {
            let watts = watts_of(labels);
            if let Some((_, account)) = labels.iter().find(|(name, _)| name == METER) {
                let account = declared.accounts.entry(account.clone()).or_default();
                account.nodes += 1;
                account.silent += u32::from(watts.is_none());
                account.watts = account.watts.saturating_add(watts.unwrap_or_default());
            }
            if let Some(watts) = watts {
                declared.nodes.insert(node, watts);
            }
        }
        declared
    }

    /// What the nodes on the account of a finding draw at most, how many they are, and why the
    /// energy of the account is not known.
    pub(super) fn account(&self, finding: &Finding) -> (Option<(Watts, u32)>, String) {
        let name = finding.meter.as_str();
        if name.is_empty() {
            let node = &finding.node_name;
            return (None, format!("node {node} names no metering account (label `{METER}`)"));
        }
        let why = format!("no meter of account {name} is read");
        match self.accounts.get(name).copied() {
            Some(Account { watts, nodes, silent: 0 }) => (Some((watts, nodes)), why),
            Some(Account { nodes, silent, .. }) => {
                (None, format!("{why}, and {silent} of its {nodes} nodes declare no `{WATTS}`"))
            }
            None => (None, format!("{why}, and no node is on it any more")),
        }
    }

    /// The same for what the task itself has used: no more than its node.
    pub(super) fn share(&self, finding: &Finding) -> (Option<(Watts, u32)>, String) {
        let why = "nothing meters a single task";
        if let Some(watts) = finding.node.and_then(|node| self.nodes.get(&node)) {
            return (Some((*watts, 1)), why.to_owned());
        }
        (None, format!("{why}, and node {} declares no `{WATTS}`", finding.node_name))
    }
}
