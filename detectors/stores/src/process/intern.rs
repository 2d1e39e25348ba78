//! Values that many versions share, each kept once: a set that numbers its members in the order in which they came.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;

use foldhash::fast::RandomState;
use indexmap::IndexSet;

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

/// Texts. There always is the empty one.
#[derive(Debug)]
pub(super) struct Texts(IndexSet<Arc<str>, RandomState>);

impl Default for Texts {
    fn default() -> Self {
        Self(IndexSet::from_iter([Arc::from("")]))
    }
}

impl Texts {
    /// # Panics
    /// Beyond 2³² texts, long after memory has run out.
    pub(super) fn number(&mut self, text: &str) -> Text {
        if text.is_empty() {
            return Text::default();
        }
        let known = self.0.get_index_of(text);
        let place = known.unwrap_or_else(|| self.0.insert_full(Arc::from(text)).0);
        Text(u32::try_from(place).expect("fewer than 2^32 texts"))
    }

    pub(super) fn get(&self, text: Text) -> &str {
        &self.0[text.0 as usize]
    }

    /// Makes a text of `from` one of these.
    pub(super) fn take(&mut self, from: &Self, text: &mut Text) {
        *text = self.number(from.get(*text));
    }
}

/// The number of a value. The default is that of the default value.
pub(super) struct Number<T>(u32, PhantomData<T>);

impl<T> Number<T> {
    fn new(number: u32) -> Self {
        Self(number, PhantomData)
    }

    fn position(self) -> usize {
        self.0 as usize
    }
}

// By hand: derives would ask the same of the value.
impl<T> Clone for Number<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Number<T> {}

impl<T> Default for Number<T> {
    fn default() -> Self {
        Self::new(0)
    }
}

impl<T> PartialEq for Number<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Number<T> {}

impl<T> fmt::Debug for Number<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Values of one kind, by number. There always is the default value.
#[derive(Debug)]
pub(super) struct Interned<T> {
    values: IndexSet<T, RandomState>,
    /// The one that was asked for last: often it is asked for again.
    last: Number<T>,
}

impl<T: Copy + Default + Eq + Hash> Default for Interned<T> {
    fn default() -> Self {
        Self {
            values: IndexSet::from_iter([T::default()]),
            last: Number::default(),
        }
    }
}

impl<T: Copy + Default + Eq + Hash> Interned<T> {
    /// # Panics
    /// Beyond 2³² values, long after memory has run out.
    fn number(&mut self, value: T) -> Number<T> {
        if *self.get(self.last) != value {
            let (place, _) = self.values.insert_full(value);
            self.last = Number::new(u32::try_from(place).expect("fewer than 2^32 values"));
        }
        self.last
    }

    pub(super) fn get(&self, number: Number<T>) -> &T {
        &self.values[number.position()]
    }

    /// Makes a number that of the changed value.
    pub(super) fn change(&mut self, number: &mut Number<T>, change: impl FnOnce(&mut T)) {
        let before = *self.get(*number);
        let mut after = before;
        change(&mut after);
        if after != before {
            *number = self.number(after);
        }
    }
}

/// Moves the values that are still needed to a table of their own.
#[derive(Debug)]
pub(super) struct Mover<'a, T> {
    from: &'a Interned<T>,
    /// Where a value has gone, by its number.
    moved: Vec<Option<Number<T>>>,
    pub(super) to: Interned<T>,
}

impl<'a, T: Copy + Default + Eq + Hash> Mover<'a, T> {
    pub(super) fn new(from: &'a Interned<T>) -> Self {
        Self {
            from,
            moved: vec![None; from.values.len()],
            to: Interned::default(),
        }
    }

    /// Makes a number one of the new table. `change` turns the old value into the new one.
    pub(super) fn take(&mut self, number: &mut Number<T>, change: impl FnOnce(&mut T)) {
        let moved = &mut self.moved[number.position()];
        *number = *moved.get_or_insert_with(|| {
            let mut value = *self.from.get(*number);
            change(&mut value);
            self.to.number(value)
        });
    }
}
