//! Up to 64 requirements on one event type, decided together.
//!
//! Bit n of a mask stands for requirement n. Every column says of each of its values which requirements it leaves; a row
//! leaves those that all of its columns leave.

use std::cmp::Reverse;

use detectors_api::columns::{CTX, Layout};
use detectors_api::event::EventBatch;

use super::Facts;
use super::column::{ColumnTests, Matcher, Subject};
use super::contexts::ContextTests;
use super::rows::Rows;
use crate::filter::{Filter, Reads, Test};

/// What one detector asks of an event of this type, in one of its requirements.
#[derive(Clone, Debug)]
pub(super) struct Requirement {
    /// The detector's slot in the engine.
    pub(super) slot: usize,
    pub(super) filter: Filter,
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    /// At most [`Group::SIZE`].
    requirements: Vec<Requirement>,
    /// In the order in which they are looked at.
    columns: Vec<ColumnTests>,
    contexts: ContextTests,
}

impl Group {
    /// Number of requirements that fit into one.
    pub(super) const SIZE: usize = u64::BITS as usize;

    /// As many groups as these requirements need.
    pub(super) fn of(layout: &Layout, requirements: &[Requirement]) -> Vec<Self> {
        let groups = requirements.chunks(Self::SIZE);
        groups
            .map(|requirements| Self::new(layout, requirements))
            .collect()
    }

    fn new(layout: &Layout, requirements: &[Requirement]) -> Self {
        let mut by_column: Vec<(Subject<'_>, Vec<(u64, Test)>)> = Vec::new();
        let mut contexts = ContextTests::default();
        for (number, requirement) in requirements.iter().enumerate() {
            let bit = 1 << number;
            let fields = requirement.filter.fields().iter();
            let mut tests: Vec<_> = fields
                .map(|field| (Subject::Field(&field.name), &field.test))
                .collect();
            for scope in requirement.filter.scopes() {
                match scope.what.reads() {
                    Reads::Context => contexts.add(bit, &scope.what),
                    Reads::Column(name, test) => tests.push((Subject::Common(name), test)),
                }
            }
            for (subject, test) in tests {
                let known = by_column.iter().position(|(known, _)| *known == subject);
                let column = known.unwrap_or_else(|| {
                    by_column.push((subject, Vec::new()));
                    by_column.len() - 1
                });
                by_column[column].1.push((bit, test.clone()));
            }
        }
        let columns = by_column.into_iter();
        let mut columns: Vec<_> = columns
            .map(|(subject, tests)| ColumnTests::new(subject, layout, tests))
            .collect();
        // First what is tested fast, and by most: few rows are left for the others.
        columns.sort_by_key(|column| {
            let slow = matches!(column.matcher(), Matcher::EachTest);
            (slow, Reverse(column.tested().count_ones()))
        });
        Self {
            requirements: requirements.to_vec(),
            columns,
            contexts,
        }
    }

    pub(super) fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    pub(super) fn tests(&self) -> &[ColumnTests] {
        &self.columns
    }

    /// The names of the columns of the event type's layout that are looked at.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        let contexts = (self.contexts.tested() != 0).then_some(CTX);
        self.columns.iter().map(ColumnTests::column).chain(contexts)
    }

    /// The rows that some requirement lets pass, in order, and which ones do. `odd` are the rows whose columns are not the whole
    /// truth, in order.
    pub(super) fn select(&self, batch: &EventBatch, odd: &[u32]) -> Vec<(u32, u64)> {
        let mut rows = Rows::All(batch.len(), self.all());
        for column in &self.columns {
            // A column may still have to be decoded. If events are left, it is, whoever wants them: a fault in it is told.
            if !rows.is_empty() {
                column.thin(batch, &mut rows);
            }
        }
        if !rows.is_empty() {
            self.contexts.thin(batch, &mut rows);
        }
        rows.replace(odd, |row| {
            let event = batch.event(row);
            let requirements = self.requirements.iter().enumerate();
            let passed = requirements.filter(|(_, requirement)| requirement.filter.matches(&event));
            passed.fold(0, |mask, (number, _)| mask | 1 << number)
        });
        rows.into_vec()
    }

    /// Whether some requirement may let a row pass of which `facts` are known.
    pub(super) fn may_pass(&self, facts: &dyn Facts) -> bool {
        let mut mask = self.all();
        let telling = |column: &&ColumnTests| !matches!(column.matcher(), Matcher::EachTest);
        let told = self.columns.iter().filter(telling);
        let told = told.fold(0, |all, column| all | column.tested());
        // Ranges are at hand; a bloom filter has to be read.
        let (numbers, texts): (Vec<_>, Vec<_>) = self
            .columns
            .iter()
            .partition(|column| matches!(column.matcher(), Matcher::Steps(_)));
        for column in numbers.into_iter().chain(texts) {
            // Nothing can be told of a requirement that tests none of these columns.
            if mask == 0 || mask & !told != 0 {
                break;
            }
            mask = column.possible(facts, mask);
        }
        mask != 0
    }

    fn all(&self) -> u64 {
        self.requirements
            .iter()
            .enumerate()
            .fold(0, |all, (number, _)| all | 1 << number)
    }
}
