//! A call of a function, for a batch of rows.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int64Array, StringArray, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, Int64Type, UInt64Type};
use datafusion::common::{exec_err, internal_err};
use datafusion::error::Result;
use detectors_stores::Stores;

use super::{Binding, from_arrow};
use crate::table::Named;

/// The arguments of a call, and the captures that are asked.
pub(super) struct Call<'a> {
    rows: usize,
    arguments: Vec<Option<Argument>>,
    /// The captures that rows ask, with their stores.
    asked: Vec<Option<Asked<'a>>>,
    which: Which,
}

/// A capture that is asked.
pub(super) struct Asked<'a> {
    pub(super) capture: &'a Named,
    pub(super) stores: Arc<Stores>,
}

enum Argument {
    Unsigned(UInt64Array),
    Signed(Int64Array),
    /// What sums of addresses are: whole numbers of more than 64 bits.
    Wide(Decimal128Array),
    Text(StringArray),
}

/// Which capture each row asks, by its position.
enum Which {
    All(usize),
    Each(Vec<Option<usize>>),
}

impl<'a> Call<'a> {
    /// `captures` is not empty, and holds the only one if `binding` does not say which.
    pub(super) fn new(arrays: &[ArrayRef], binding: &Binding, captures: &'a [Named]) -> Result<Self> {
        let rows = arrays.first().map_or(0, |array| array.len());
        let arguments = binding.parameters.iter();
        let arguments = arguments.map(|position| {
            position
                .map(|position| Argument::of(&arrays[position]))
                .transpose()
        });
        let which = match binding.capture {
            None => Which::All(0),
            Some(position) => Which::each(&arrays[position], captures)?,
        };
        let asked = captures.iter().enumerate().map(|(position, capture)| {
            if rows == 0 || !which.has(position) {
                return Ok(None);
            }
            let stores = capture.history.stores()?;
            Ok(Some(Asked { capture, stores }))
        });
        Ok(Self {
            rows,
            arguments: arguments.collect::<Result<_>>()?,
            asked: asked.collect::<Result<_>>()?,
            which,
        })
    }

    pub(super) fn rows(&self) -> std::ops::Range<usize> {
        0..self.rows
    }

    /// The capture that a row asks.
    pub(super) fn asked(&self, row: usize) -> Option<&Asked<'a>> {
        let position = match &self.which {
            Which::All(position) => *position,
            Which::Each(positions) => positions[row]?,
        };
        self.asked.get(position)?.as_ref()
    }

    /// Whether there is an argument for a parameter.
    pub(super) fn is_given(&self, parameter: usize) -> bool {
        self.arguments[parameter].is_some()
    }

    /// The number that a row gives for a parameter; `None` if it is null or beyond the range of `N`.
    pub(super) fn number<N: TryFrom<i128>>(&self, parameter: usize, row: usize) -> Option<N> {
        let number = match self.arguments[parameter].as_ref()? {
            Argument::Unsigned(numbers) => numbers.is_valid(row).then(|| numbers.value(row).into())?,
            Argument::Signed(numbers) => numbers.is_valid(row).then(|| numbers.value(row).into())?,
            Argument::Wide(numbers) => numbers.is_valid(row).then(|| numbers.value(row))?,
            Argument::Text(_) => return None,
        };
        N::try_from(number).ok()
    }

    /// The text that a row gives for a parameter.
    pub(super) fn text(&self, parameter: usize, row: usize) -> Option<&str> {
        match self.arguments[parameter].as_ref()? {
            Argument::Text(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Argument::Unsigned(_) | Argument::Signed(_) | Argument::Wide(_) => None,
        }
    }

    /// The event that a row asks about; the end of the capture, if there is no argument for it.
    pub(super) fn seq(&self, parameter: usize, row: usize) -> Option<u64> {
        if self.is_given(parameter) {
            return self.number(parameter, row);
        }
        Some(u64::MAX)
    }
}

impl Argument {
    fn of(array: &ArrayRef) -> Result<Self> {
        let as_type = |data_type| cast(array, &data_type).map_err(from_arrow);
        Ok(match array.data_type() {
            unsigned if unsigned.is_unsigned_integer() => {
                Self::Unsigned(as_type(DataType::UInt64)?.as_primitive::<UInt64Type>().clone())
            }
            other if other.is_signed_integer() || other.is_null() => {
                Self::Signed(as_type(DataType::Int64)?.as_primitive::<Int64Type>().clone())
            }
            DataType::Decimal128(_, 0) => Self::Wide(array.as_primitive::<Decimal128Type>().clone()),
            _ => Self::Text(texts(array)?),
        })
    }
}

impl Which {
    fn each(names: &ArrayRef, captures: &[Named]) -> Result<Self> {
        let names = texts(names)?;
        let mut positions: Vec<Option<usize>> = Vec::with_capacity(names.len());
        // Rows come capture by capture, mostly.
        let mut before: Option<(&str, usize)> = None;
        for name in &names {
            let Some(name) = name else {
                positions.push(None);
                continue;
            };
            let position = match before {
                Some((same, position)) if same == name => position,
                _ => position_of(name, captures)?,
            };
            before = Some((name, position));
            positions.push(Some(position));
        }
        Ok(Self::Each(positions))
    }

    fn has(&self, capture: usize) -> bool {
        match self {
            Self::All(position) => *position == capture,
            Self::Each(positions) => positions.contains(&Some(capture)),
        }
    }
}

fn position_of(name: &str, captures: &[Named]) -> Result<usize> {
    match captures.iter().position(|capture| &*capture.name == name) {
        Some(position) => Ok(position),
        None => {
            let open: Vec<_> = captures
                .iter()
                .map(|capture| format!("`{}`", capture.name))
                .collect();
            exec_err!(
                "there is no capture `{name}`: those that are open are called {}",
                open.join(", ")
            )
        }
    }
}

fn texts(array: &ArrayRef) -> Result<StringArray> {
    let texts = cast(array, &DataType::Utf8).map_err(from_arrow)?;
    match texts.as_string_opt::<i32>() {
        Some(texts) => Ok(texts.clone()),
        None => internal_err!("a cast to text makes text"),
    }
}
