//! Which detectors run: the chosen ones, without the disabled ones, with those that they need.

use std::collections::{BTreeMap, BTreeSet};

use detectors_api::definition::DetectorDefinition;

use super::known::Known;
use super::selection::Word;
use crate::exit::Failure;

/// The detectors that run.
#[derive(Debug)]
pub(crate) struct Choice {
    /// In the order in which they are known.
    pub(crate) detectors: Vec<Known>,
    /// Ids of those that nobody chose: they run because others need their events, and what they find is not shown.
    pub(crate) helpers: BTreeSet<String>,
    /// Events that only disabled detectors produce, with the id of such a detector.
    pub(crate) disabled: BTreeMap<String, String>,
}

impl Choice {
    /// Chooses among `known` by words; `switched_off` are ids of detectors that settings disable.
    ///
    /// # Errors
    /// A word that names nobody; a choice with nobody left.
    pub(crate) fn new(
        known: Vec<Known>,
        chosen: &[String],
        disabled: &[String],
        switched_off: &BTreeSet<&str>,
    ) -> Result<Self, Failure> {
        let chosen = named(&known, chosen, "--detectors")?;
        let mut disabled = named(&known, disabled, "--disable")?;
        for (disabled, known) in disabled.iter_mut().zip(&known) {
            *disabled |= switched_off.contains(known.definition.id.as_str());
        }
        let mut runs: Vec<bool> = chosen
            .iter()
            .zip(&disabled)
            .map(|(chosen, disabled)| *chosen && !disabled)
            .collect();
        if !runs.contains(&true) {
            return Err(Failure::usage("all detectors that were chosen are disabled"));
        }
        let mut helpers = BTreeSet::new();
        while let Some(helper) = next_helper(&known, &runs, &disabled) {
            runs[helper] = true;
            helpers.insert(known[helper].definition.id.clone());
        }
        let definitions = |index: &usize| &known[*index].definition;
        let offered: BTreeSet<_> = (0..known.len())
            .filter(|index| !disabled[*index])
            .map(|index| definitions(&index).event.name.clone())
            .collect();
        let disabled = (0..known.len())
            .map(|index| definitions(&index))
            .filter(|definition| !offered.contains(&definition.event.name))
            .map(|definition| (definition.event.name.clone(), definition.id.clone()))
            .collect();
        let detectors = known
            .into_iter()
            .zip(runs)
            .filter_map(|(known, runs)| runs.then_some(known))
            .collect();
        Ok(Self {
            detectors,
            helpers,
            disabled,
        })
    }

    /// One line about the helpers, if there are any.
    pub(crate) fn about_helpers(&self) -> Option<String> {
        let names: Vec<_> = self
            .detectors
            .iter()
            .map(|known| &known.definition)
            .filter(|definition| self.helpers.contains(&definition.id))
            .map(|definition| format!("{} ({})", definition.id, definition.event.name))
            .collect();
        (!names.is_empty()).then(|| {
            format!(
                "also runs {}: others need their events; name them in --detectors to see what they find",
                names.join(", ")
            )
        })
    }
}

/// For each detector, whether one of `words` names it.
pub(super) fn named(known: &[Known], words: &[String], option: &str) -> Result<Vec<bool>, Failure> {
    let mut named = vec![false; known.len()];
    for text in words.iter().map(|text| text.trim()) {
        if text.is_empty() {
            return Err(Failure::usage(format!("{option}: a word is empty")));
        }
        let word = Word::parse(text, known)?;
        let mut nobody = true;
        for (named, known) in named.iter_mut().zip(known) {
            let is = word.names(known);
            *named |= is;
            nobody &= !is;
        }
        if nobody {
            return Err(word.names_nobody(option, text, known));
        }
    }
    Ok(named)
}

/// The first detector that does not run yet and produces something that one that runs consumes and nobody who runs produces.
fn next_helper(known: &[Known], runs: &[bool], disabled: &[bool]) -> Option<usize> {
    let running = || {
        known
            .iter()
            .zip(runs)
            .filter_map(|(known, runs)| runs.then_some(&known.definition))
    };
    let produced: BTreeSet<_> = running()
        .map(|definition| definition.event.name.as_str())
        .collect();
    let consumed: BTreeSet<_> = running().flat_map(inputs).collect();
    known.iter().enumerate().position(|(index, known)| {
        let event = known.definition.event.name.as_str();
        !disabled[index] && consumed.contains(event) && !produced.contains(event)
    })
}

/// The names of the events that a detector consumes.
pub(super) fn inputs(definition: &DetectorDefinition) -> impl Iterator<Item = &str> {
    definition
        .events
        .iter()
        .map(|requirement| requirement.name.as_str())
}

#[cfg(test)]
mod tests {
    use detectors_api::definition::EventRequirement;

    use super::super::known::tests::silent;
    use super::*;

    /// `a` feeds `b` feeds `c`; `d` stands alone.
    fn known() -> Vec<Known> {
        [
            ("A", "a", "execve"),
            ("B", "b", "a"),
            ("C", "c", "b"),
            ("D", "d", "execve"),
        ]
        .map(|(id, event, input)| silent(DetectorDefinition::new(id, event).on(EventRequirement::new(input))))
        .into()
    }

    fn choose(chosen: &str, disabled: &[&str], off: &[&str]) -> Result<Choice, Failure> {
        let disabled: Vec<_> = disabled.iter().map(|&word| word.to_owned()).collect();
        Choice::new(
            known(),
            &[chosen.to_owned()],
            &disabled,
            &off.iter().copied().collect(),
        )
    }

    fn ids(choice: &Choice) -> Vec<&str> {
        let detectors = choice.detectors.iter();
        detectors.map(|known| known.definition.id.as_str()).collect()
    }

    #[test]
    fn producers_come_along_and_are_named() {
        let choice = choose("c", &[], &[]).expect("a choice");
        assert_eq!(ids(&choice), ["A", "B", "C"]);
        assert_eq!(choice.helpers, BTreeSet::from(["A".to_owned(), "B".to_owned()]));
        let line = choice.about_helpers().expect("there are two");
        assert!(line.starts_with("also runs A (a), B (b):"), "{line}");
        let choice = choose("all", &[], &[]).expect("a choice");
        assert_eq!((ids(&choice).len(), choice.about_helpers()), (4, None));
    }

    #[test]
    fn what_is_disabled_runs_for_nobody() {
        for (disabled, off) in [(&["A"][..], &[][..]), (&[], &["A"])] {
            let choice = choose("c", disabled, off).expect("a choice");
            assert_eq!(ids(&choice), ["B", "C"]);
            assert_eq!(choice.disabled["a"], "A");
        }
        assert!(choose("d", &["D"], &[]).is_err());
        assert!(choose("d", &["E"], &[]).is_err());
    }
}
