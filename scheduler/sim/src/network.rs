//! Links: messages take a while, keep their order, and are lost when their link breaks.

use std::collections::BTreeMap;

use repower_agent_core::Moment;
use repower_model::{NodeId, Span};

use crate::dice::Dice;
use crate::message::LinkId;

/// One end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Agent,
    Scheduler,
}

/// What a cut lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing.
    Both,
    /// Only what the scheduler sends.
    Up,
    /// Only what the agent sends.
    Down,
}

#[derive(Debug)]
struct Link {
    node: NodeId,
    /// Towards the scheduler.
    up: Way,
    /// Towards the agent.
    down: Way,
}

/// One direction of a link.
#[derive(Debug, Default)]
struct Way {
    /// Nothing arrives before what was sent before it.
    last: Moment,
    /// Whether what is on its way is lost.
    cut: bool,
    /// Whether the end that it leads to has closed.
    closed: bool,
}

/// All links, and which nodes can be reached.
#[derive(Debug)]
pub(crate) struct Network {
    links: BTreeMap<LinkId, Link>,
    cuts: BTreeMap<NodeId, Cut>,
    made: u64,
    dice: Dice,
    usual: Span,
    /// The longest that a message is held up.
    held_up: Span,
}

impl Network {
    pub(crate) fn new(dice: Dice, usual: Span, held_up: Span) -> Self {
        Self { links: BTreeMap::new(), cuts: BTreeMap::new(), made: 0, dice, usual, held_up }
    }

    /// How long something takes from here to there.
    pub(crate) fn latency(&mut self) -> Span {
        if self.held_up > Span::ZERO && self.dice.chance(20) {
            return self.dice.span(Span::ZERO, self.held_up);
        }
        self.dice.span(Span::ZERO, self.usual)
    }

    /// A new link of a node, if it can be reached.
    pub(crate) fn dial(&mut self, node: NodeId) -> Option<LinkId> {
        if self.cuts.contains_key(&node) {
            return None;
        }
        self.made += 1;
        let id = LinkId(self.made);
        let (up, down) = (Way::default(), Way::default());
        self.links.insert(id, Link { node, up, down });
        Some(id)
    }

    /// Whose link it is.
    pub(crate) fn node(&self, link: LinkId) -> Option<NodeId> {
        self.links.get(&link).map(|link| link.node)
    }

    /// When a message arrives at an end; `None` if the one that sends it has closed the link.
    pub(crate) fn send(&mut self, link: LinkId, to: End, now: Moment) -> Option<Moment> {
        let latency = self.latency();
        let link = self.links.get_mut(&link)?;
        let (way, back) = match to {
            End::Scheduler => (&mut link.up, &link.down),
            End::Agent => (&mut link.down, &link.up),
        };
        if back.closed {
            return None;
        }
        way.last = way.last.max(now + latency);
        Some(way.last)
    }

    /// Whether a message that was due to arrive does.
    pub(crate) fn arrives(&self, link: LinkId, to: End) -> bool {
        self.links.get(&link).is_some_and(|link| {
            let way = match to {
                End::Scheduler => &link.up,
                End::Agent => &link.down,
            };
            !way.cut && !way.closed
        })
    }

    /// An end closes. Returns whether the other end is open, and may therefore notice.
    pub(crate) fn close(&mut self, id: LinkId, end: End) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        let (own, other) = match end {
            End::Scheduler => (&mut link.up, &link.down),
            End::Agent => (&mut link.down, &link.up),
        };
        own.closed = true;
        let open = !other.closed;
        if !open {
            self.links.remove(&id);
        }
        open
    }

    /// Whether the other end notices at once that one has closed.
    pub(crate) fn is_cut(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.up.cut || link.down.cut)
    }

    /// What is on its way on a link is lost, in both directions.
    pub(crate) fn snap(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            (link.up.cut, link.down.cut) = (true, true);
        }
    }

    /// A node cannot be reached any more. Returns its open links.
    pub(crate) fn cut(&mut self, node: NodeId, cut: Cut) -> Vec<LinkId> {
        self.cuts.insert(node, cut);
        let mut found = Vec::new();
        for (id, link) in self.links.iter_mut().filter(|(_, link)| link.node == node) {
            link.up.cut |= cut != Cut::Down;
            link.down.cut |= cut != Cut::Up;
            found.push(*id);
        }
        found
    }

    /// A node can be reached again; links that were cut stay so.
    pub(crate) fn heal(&mut self, node: NodeId) {
        self.cuts.remove(&node);
    }

    /// The links of a node, or of all.
    pub(crate) fn links(&self, node: Option<NodeId>) -> Vec<LinkId> {
        self.links
            .iter()
            .filter(|(_, link)| node.is_none_or(|node| link.node == node))
            .map(|(id, _)| *id)
            .collect()
    }

    /// From now on no message is held up.
    pub(crate) fn calm(&mut self) {
        self.held_up = Span::ZERO;
        self.cuts.clear();
    }
}
