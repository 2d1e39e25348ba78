//! Names of custom stores.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use detectors_api::stores::Store;

/// The name of a custom store: letters, digits, `_` and `-`, and not the name of a store that every recording has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoreName(Box<str>);

/// A name that no custom store can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreNameError {
    /// The name is empty.
    #[error("a store needs a name")]
    Empty,
    /// Something else than letters, digits, `_` and `-`.
    #[error("a store cannot be called `{name}`: use letters, digits, `_` and `-`")]
    Characters {
        /// The name.
        name: String,
    },
    /// A store of this name is always there.
    #[error("a store cannot be called `{store}`: that one is built in")]
    BuiltIn {
        /// The store.
        store: Store,
    },
}

impl StoreName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StoreName {
    type Err = StoreNameError;

    fn from_str(name: &str) -> Result<Self, StoreNameError> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        match Store::from_name(name) {
            Some(store) => Err(StoreNameError::BuiltIn { store }),
            None if name.is_empty() => Err(StoreNameError::Empty),
            None if !name.bytes().all(fits) => Err(StoreNameError::Characters {
                name: name.to_owned(),
            }),
            None => Ok(Self(name.into())),
        }
    }
}

impl Borrow<str> for StoreName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_not_built_in() {
        for name in ["threats", "ip_reputation", "a-b_C9", "9"] {
            assert_eq!(name.parse::<StoreName>().expect(name).as_str(), name);
        }
        for (name, error) in [
            ("", "a store needs a name"),
            (
                " threats",
                "a store cannot be called ` threats`: use letters, digits, `_` and `-`",
            ),
            (
                "threats\n",
                "a store cannot be called `threats\n`: use letters, digits, `_` and `-`",
            ),
            (
                "a/b",
                "a store cannot be called `a/b`: use letters, digits, `_` and `-`",
            ),
            (
                "bedrohungsgröße",
                "a store cannot be called `bedrohungsgröße`: use letters, digits, `_` and `-`",
            ),
            (
                "process",
                "a store cannot be called `process`: that one is built in",
            ),
            ("dns", "a store cannot be called `dns`: that one is built in"),
        ] {
            assert_eq!(name.parse::<StoreName>().expect_err(name).to_string(), error);
        }
    }
}
