//! All tests of a column of texts, tried together.
//!
//! Every distinct pattern is looked for once, by the text that its matches must have: whole texts in a hash map, beginnings and
//! ends in tries, text in the middle by one automaton (aho-corasick) for all. A value that has none of these texts, as nearly
//! all have, costs little more than reading it.

use std::collections::BTreeMap;
use std::ops::BitOrAssign;

use aho_corasick::AhoCorasick;
use foldhash::HashMap;

use super::trie::Trie;
use crate::filter::{Anchor, Conditions, Glob};

/// The most bytes of an anchor that are looked for; the rest is compared after. So hostile patterns stay small.
const LONGEST_NEEDLE: usize = 32;

/// Which requirements a text satisfies.
#[derive(Clone, Debug, Default)]
pub(super) struct Texts {
    /// The requirements that are content with any text that they do not exclude.
    undemanding: u64,
    whole: HashMap<String, Effect>,
    /// Bit n: one of these has n bytes; the last bit stands for all longer ones, too. Most texts need not be looked up.
    lengths: u64,
    patterns: Vec<Pattern>,
    starts: Option<Trie>,
    /// Of the reversed bytes.
    ends: Option<Trie>,
    inside: Option<Inside>,
    /// Patterns that say nothing about which text is there.
    anywhere: Vec<u32>,
}

/// What a match of a pattern means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Effect {
    /// Requirements with `=` that it satisfies.
    allows: u64,
    /// Requirements with `!=` that it rules out.
    denies: u64,
}

#[derive(Clone, Debug)]
struct Pattern {
    /// What is left to be compared once the needle was found; nothing, if that is all.
    glob: Option<Glob>,
    effect: Effect,
}

/// Needles somewhere in the text.
#[derive(Clone, Debug)]
struct Inside {
    automaton: AhoCorasick,
    /// For each needle, the patterns that have it.
    patterns: Vec<Vec<u32>>,
}

impl BitOrAssign for Effect {
    fn bitor_assign(&mut self, other: Self) {
        self.allows |= other.allows;
        self.denies |= other.denies;
    }
}

impl Texts {
    /// The matcher of these tests, each with the bit of its requirement.
    pub(super) fn new<'a>(tests: impl Iterator<Item = (u64, &'a Conditions<Glob>)>) -> Self {
        let mut texts = Self::default();
        let mut effects: BTreeMap<&Glob, Effect> = BTreeMap::new();
        for (bit, conditions) in tests {
            if conditions.any.is_empty() {
                texts.undemanding |= bit;
            }
            for glob in &conditions.any {
                effects.entry(glob).or_default().allows |= bit;
            }
            for glob in &conditions.none {
                effects.entry(glob).or_default().denies |= bit;
            }
        }
        let mut needles: BTreeMap<Vec<u8>, Vec<u32>> = BTreeMap::new();
        for (glob, effect) in effects {
            texts.add(glob, effect, &mut needles);
        }
        texts.look_inside(needles);
        texts
    }

    fn add(&mut self, glob: &Glob, effect: Effect, needles: &mut BTreeMap<Vec<u8>, Vec<u32>>) {
        let number = self.patterns.len() as u32;
        let needle = |text: &str| text.len().min(LONGEST_NEEDLE);
        let decided = match glob.anchor() {
            Anchor::Whole(text) => {
                self.lengths |= length(&text);
                self.whole.insert(text, effect);
                return;
            }
            Anchor::Start(text) => {
                let trie = self.starts.get_or_insert_with(Trie::new);
                trie.insert(text.bytes().take(LONGEST_NEEDLE), number);
                needle(&text) == text.len()
            }
            Anchor::End(text) => {
                let trie = self.ends.get_or_insert_with(Trie::new);
                trie.insert(text.bytes().rev().take(LONGEST_NEEDLE), number);
                needle(&text) == text.len()
            }
            Anchor::Inside(text) => {
                let bytes = text.as_bytes()[..needle(&text)].to_vec();
                needles.entry(bytes).or_default().push(number);
                false
            }
            Anchor::Nowhere => {
                self.anywhere.push(number);
                false
            }
        };
        let glob = (!decided || !glob.is_anchor()).then(|| glob.clone());
        self.patterns.push(Pattern { glob, effect });
    }

    fn look_inside(&mut self, needles: BTreeMap<Vec<u8>, Vec<u32>>) {
        if needles.is_empty() {
            return;
        }
        match AhoCorasick::new(needles.keys()) {
            Ok(automaton) => {
                self.inside = Some(Inside {
                    automaton,
                    patterns: needles.into_values().collect(),
                });
            }
            // Too many for an automaton: then every text is compared with all of them.
            Err(_) => self.anywhere.extend(needles.into_values().flatten()),
        }
    }

    /// The requirements that `text` satisfies.
    pub(super) fn mask(&self, text: &str) -> u64 {
        let mut effect = Effect::default();
        if self.lengths & length(text) != 0
            && let Some(found) = self.whole.get(text)
        {
            effect |= *found;
        }
        let mut try_pattern = |number: u32| {
            let pattern = &self.patterns[number as usize];
            if pattern.glob.as_ref().is_none_or(|glob| glob.matches(text)) {
                effect |= pattern.effect;
            }
        };
        if let Some(starts) = &self.starts {
            starts.find(text.bytes(), &mut try_pattern);
        }
        if let Some(ends) = &self.ends {
            ends.find(text.bytes().rev(), &mut try_pattern);
        }
        if let Some(inside) = &self.inside {
            inside.find(text, &mut try_pattern);
        }
        self.anywhere.iter().for_each(|number| try_pattern(*number));
        (self.undemanding | effect.allows) & !effect.denies
    }
}

/// The bit of a text's length.
fn length(text: &str) -> u64 {
    1 << text.len().min(63)
}

impl Inside {
    fn find(&self, text: &str, mut found: impl FnMut(u32)) {
        // Most texts have no needle at all, which the automaton can tell faster than which ones.
        if !self.automaton.is_match(text) {
            return;
        }
        // Each once, however often it occurs.
        let mut there = vec![false; self.patterns.len()];
        for needle in self.automaton.find_overlapping_iter(text) {
            there[needle.pattern().as_usize()] = true;
        }
        let there = there.iter().zip(&self.patterns).filter(|(there, _)| **there);
        there
            .flat_map(|(_, patterns)| patterns)
            .for_each(|number| found(*number));
    }
}
