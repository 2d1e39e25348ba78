//! Values that many versions share, each kept once.

use std::hash::Hash;
use std::sync::Arc;

use foldhash::fast::RandomState;
use foldhash::{HashMap, HashMapExt};

/// A text, by number. The default is the empty text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Text(u32);

impl Text {
    pub(super) fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// This text, or `other` if it is empty.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_empty() { other } else { self }
    }
}

/// Texts.
#[derive(Debug)]
pub(super) struct Texts {
    numbers: HashMap<Arc<str>, Text>,
    texts: Vec<Arc<str>>,
}

impl Default for Texts {
    fn default() -> Self {
        let empty: Arc<str> = Arc::from("");
        let mut numbers = HashMap::new();
        numbers.insert(Arc::clone(&empty), Text::default());
        Self {
            numbers,
            texts: vec![empty],
        }
    }
}

impl Texts {
    /// # Panics
    /// Beyond 2³² texts, long after memory has run out.
    pub(super) fn number(&mut self, text: &str) -> Text {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = Text(u32::try_from(self.texts.len()).expect("fewer than 2^32 texts"));
        let text: Arc<str> = Arc::from(text);
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    pub(super) fn get(&self, text: Text) -> &str {
        &self.texts[text.0 as usize]
    }
}

/// Values of one kind, by number.
#[derive(Debug)]
pub(super) struct Interned<T> {
    numbers: HashMap<T, u32>,
    values: Vec<T>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self {
            numbers: HashMap::with_hasher(RandomState::default()),
            values: Vec::new(),
        }
    }
}

impl<T: Copy + Eq + Hash> Interned<T> {
    /// # Panics
    /// Beyond 2³² values, long after memory has run out.
    pub(super) fn number(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.values.len()).expect("fewer than 2^32 values");
        let number = *self.numbers.entry(value).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        number
    }

    pub(super) fn get(&self, number: u32) -> &T {
        &self.values[number as usize]
    }
}
