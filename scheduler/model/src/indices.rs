//! Sets of indices, held as intervals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A set of `u32`, held as disjoint intervals: its size in memory follows the gaps, not the members.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Indices {
    /// First member to last member of each interval; intervals neither touch nor overlap.
    intervals: BTreeMap<u32, u32>,
    count: u64,
}

impl Indices {
    /// The set of `0..count`.
    pub fn up_to(count: u32) -> Self {
        let mut set = Self::default();
        if let Some(last) = count.checked_sub(1) {
            set.intervals.insert(0, last);
            set.count = u64::from(count);
        }
        set
    }

    /// How many members.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there is no member.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lowest member.
    pub fn first(&self) -> Option<u32> {
        self.intervals.first_key_value().map(|(first, _)| *first)
    }

    /// Whether `index` is a member.
    pub fn contains(&self, index: u32) -> bool {
        self.around(index).is_some()
    }

    /// The intervals, ascending, both ends included.
    pub fn intervals(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.intervals.iter().map(|(first, last)| (*first, *last))
    }

    /// The members, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.intervals().flat_map(|(first, last)| first..=last)
    }

    /// Adds a member. Returns whether it is new.
    pub fn insert(&mut self, index: u32) -> bool {
        if self.contains(index) {
            return false;
        }
        let below = self.intervals.range(..index).next_back().map(|(first, last)| (*first, *last));
        let above = index.checked_add(1).and_then(|next| self.intervals.remove(&next));
        let last = above.unwrap_or(index);
        let first = match below {
            Some((first, end)) if end + 1 == index => first,
            _ => index,
        };
        self.intervals.insert(first, last);
        self.count += 1;
        true
    }

    /// Takes a member out. Returns whether it was one.
    pub fn remove(&mut self, index: u32) -> bool {
        let Some((first, last)) = self.around(index) else {
            return false;
        };
        self.intervals.remove(&first);
        if first < index {
            self.intervals.insert(first, index - 1);
        }
        if index < last {
            self.intervals.insert(index + 1, last);
        }
        self.count -= 1;
        true
    }

    /// Takes all members from `first` to `last` out, both ends included. Returns how many they were.
    pub fn remove_range(&mut self, first: u32, last: u32) -> u64 {
        let mut removed = 0;
        while let Some((start, end)) = self.overlapping(first, last) {
            self.intervals.remove(&start);
            if start < first {
                self.intervals.insert(start, first - 1);
            }
            if last < end {
                self.intervals.insert(last + 1, end);
            }
            removed += u64::from(end.min(last) - start.max(first)) + 1;
        }
        self.count -= removed;
        removed
    }

    /// Adds all from `first` to `last`, both ends included.
    pub fn insert_range(&mut self, first: u32, last: u32) {
        if first > last {
            return;
        }
        self.remove_range(first, last);
        self.count += u64::from(last - first) + 1;
        let above = last.checked_add(1).and_then(|next| self.intervals.remove(&next));
        let last = above.unwrap_or(last);
        match self.intervals.range_mut(..first).next_back() {
            Some((_, end)) if *end + 1 == first => *end = last,
            _ => {
                self.intervals.insert(first, last);
            }
        }
    }

    /// Adds all members of another set.
    pub fn add(&mut self, other: &Self) {
        other.intervals().for_each(|(first, last)| self.insert_range(first, last));
    }

    /// Takes all members of another set out.
    pub fn subtract(&mut self, other: &Self) {
        for (first, last) in other.intervals() {
            self.remove_range(first, last);
        }
    }

    /// The intervals of members that are not in another set, ascending. Each costs a look-up.
    pub fn without<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (u32, u32)> + 'a {
        self.intervals().flat_map(|(first, last)| Gaps { other, at: Some(first), last })
    }

    /// The members that lie in some intervals, which are ascending and disjoint.
    #[must_use]
    pub fn within(&self, intervals: &[(u32, u32)]) -> Self {
        let mut found = Self::default();
        for (first, last) in intervals {
            let before = self.intervals.range(..first).next_back();
            let inside = self.intervals.range(first..=last);
            for (start, end) in before.into_iter().chain(inside).filter(|(_, end)| *end >= first) {
                let (start, end) = (*start.max(first), *end.min(last));
                found.count += u64::from(end - start) + 1;
                match found.intervals.last_entry() {
                    Some(mut entry) if entry.get().checked_add(1) == Some(start) => {
                        entry.insert(end);
                    }
                    _ => {
                        found.intervals.insert(start, end);
                    }
                }
            }
        }
        found
    }

    /// Takes the lowest member out.
    pub fn take_first(&mut self) -> Option<u32> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }

    fn overlapping(&self, first: u32, last: u32) -> Option<(u32, u32)> {
        let (start, end) = self.intervals.range(..=last).next_back()?;
        (*end >= first).then_some((*start, *end))
    }

    fn around(&self, index: u32) -> Option<(u32, u32)> {
        let (first, last) = self.intervals.range(..=index).next_back()?;
        (*last >= index).then_some((*first, *last))
    }
}

/// The parts of an interval that are not in a set.
struct Gaps<'a> {
    other: &'a Indices,
    /// Where to go on; `None`: at the end.
    at: Option<u32>,
    last: u32,
}

impl Iterator for Gaps<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<(u32, u32)> {
        let mut first = self.at?;
        if let Some((_, end)) = self.other.around(first) {
            self.at = None;
            first = end.checked_add(1).filter(|next| *next <= self.last)?;
        }
        let next = self.other.intervals.range(first..=self.last).next();
        let end = next.map_or(self.last, |(start, _)| start - 1);
        self.at = end.checked_add(1).filter(|next| *next <= self.last);
        Some((first, end))
    }
}

impl FromIterator<u32> for Indices {
    fn from_iter<T: IntoIterator<Item = u32>>(members: T) -> Self {
        let mut set = Self::default();
        for member in members {
            set.insert(member);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_holds_what_a_plain_set_holds_and_never_adjacent_intervals() {
        let (mut set, mut plain, mut state) = (Indices::default(), BTreeSet::new(), 7_u32);

        for _ in 0..20_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let index = (state >> 8) % 100;
            if state >> 31 == 0 {
                assert_eq!(set.insert(index), plain.insert(index));
            } else {
                assert_eq!(set.remove(index), plain.remove(&index));
            }
            assert_eq!(set.len(), plain.len() as u64);
        }

        assert!(set.iter().eq(plain.iter().copied()));
        let intervals: Vec<_> = set.intervals().collect();
        assert!(intervals.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0));
    }

    #[test]
    fn sets_are_added_subtracted_and_compared_as_plain_sets_are() {
        let mut state = 11_u32;
        let mut random = |most: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % most
        };
        for _ in 0..500 {
            let one: BTreeSet<u32> = (0..random(40)).map(|_| random(60)).collect();
            let other: BTreeSet<u32> = (0..random(40)).map(|_| random(60)).collect();
            let set = |plain: &BTreeSet<u32>| plain.iter().copied().collect::<Indices>();

            let (mut sum, mut rest) = (set(&one), set(&one));
            sum.add(&set(&other));
            rest.subtract(&set(&other));

            assert_eq!(sum, set(&(&one | &other)));
            assert_eq!(rest, set(&(&one - &other)));
            let gaps: Vec<_> = set(&one).without(&set(&other)).collect();
            assert!(gaps.iter().flat_map(|(first, last)| *first..=*last).eq(rest.iter()));
        }
        let mut top = Indices::default();
        top.insert_range(u32::MAX - 1, u32::MAX);
        top.insert_range(3, 2);
        assert_eq!((top.len(), top.without(&top.clone()).count()), (2, 0));
    }

    #[test]
    fn a_range_is_removed_across_intervals_and_counted() {
        let mut set: Indices = [1, 2, 3, 7, 8, 20].into_iter().collect();

        assert_eq!(set.remove_range(3, 7), 2);
        assert_eq!(set.remove_range(9, 19), 0);

        assert_eq!(set.iter().collect::<Vec<_>>(), [1, 2, 8, 20]);
        assert_eq!((set.len(), set.remove_range(0, u32::MAX)), (4, 4));
    }

    #[test]
    fn the_members_within_intervals_are_a_set_again() {
        let set: Indices = (0..100).filter(|index| index % 10 != 5).collect();

        let some = set.within(&[(3, 7), (8, 8), (50, 60), (200, 300)]);

        let expected = [3, 4, 6, 7, 8, 50, 51, 52, 53, 54, 56, 57, 58, 59, 60];
        assert_eq!(some, expected.into_iter().collect());
    }

    #[test]
    fn a_million_members_in_a_row_are_one_interval() {
        let mut set = Indices::up_to(1_000_000);

        set.take_first();

        assert_eq!(set.intervals().collect::<Vec<_>>(), [(1, 999_999)]);
        assert_eq!(set.len(), 999_999);
    }

    #[test]
    fn the_highest_index_can_be_a_member() {
        let mut set = Indices::default();

        assert!(set.insert(u32::MAX) && set.insert(u32::MAX - 1) && set.remove(u32::MAX));

        assert_eq!(set.iter().collect::<Vec<_>>(), [u32::MAX - 1]);
    }
}
