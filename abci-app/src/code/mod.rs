//! Result codes of transactions and queries: which component says it, and its number for it. Clients may rely on both.
//!
//! A component's name is the codespace in which ABCI tells the number. CometBFT's hash of a block's results covers the number
//! without the codespace, so that two refusals may look the same to it; what tells nodes apart is the app hash, and nothing here
//! decides by a number alone.

mod table;

use std::str::FromStr;

use crate::component::Component;

pub use table::*;

/// Success, or what a component refuses with. Its text is `channels/3`, or `ok`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code {
    component: Option<Component>,
    number: u32,
}

/// The transaction took effect.
pub const OK: Code = Code { component: None, number: 0 };

impl Code {
    /// The code that ABCI tells as `number` in `codespace`; none if that is no codespace of this ledger's, or one without a number.
    pub fn new(codespace: &str, number: u32) -> Option<Self> {
        match (codespace, number) {
            ("", 0) => Some(OK),
            (_, 0) => None,
            (name, number) => Component::of_name(name).map(|component| Self { component: Some(component), number }),
        }
    }

    /// Who says it: the name of a component, or nothing for success.
    pub fn codespace(&self) -> &'static str {
        self.component.map_or("", Component::name)
    }

    /// Zero for success alone.
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Whether it is success.
    pub fn is_ok(&self) -> bool {
        *self == OK
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.component {
            None => f.write_str("ok"),
            Some(component) => write!(f, "{component}/{}", self.number),
        }
    }
}

/// A text that is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no code; one reads like channels/3, or ok")]
pub struct NoCode(String);

impl FromStr for Code {
    type Err = NoCode;

    fn from_str(text: &str) -> Result<Self, NoCode> {
        let code = match text.split_once('/') {
            Some((codespace, number)) => number.parse().ok().and_then(|number| Self::new(codespace, number)),
            None => (text == "ok").then_some(OK),
        };
        // One code has one text.
        code.filter(|code| code.to_string() == text).ok_or_else(|| NoCode(text.to_owned()))
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Code {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_code_is_one_number_in_one_codespace_and_no_other_text_reads_as_it() {
        let codes: BTreeSet<Code> = ALL.iter().map(|(code, ..)| *code).collect();
        assert_eq!(codes.len(), ALL.len(), "two codes are the same");
        for code in codes.into_iter().chain([OK]) {
            assert_eq!(Code::new(code.codespace(), code.number()), Some(code));
            assert_eq!(code.to_string().parse(), Ok(code));
            assert_eq!(code.is_ok(), code == OK);
        }
        assert_eq!((CHANNEL_FOREIGN.to_string(), OK.to_string()), ("channels/3".to_owned(), "ok".to_owned()));
        for text in ["", "0", "channels", "channels/", "channels/0", "channels/03", "channels/+3", "chanels/3", "/3"] {
            assert!(text.parse::<Code>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_same_number_elsewhere_is_another_code() {
        assert_eq!((FUNDS.number(), CODEC.number()), (1, 1));
        assert_ne!(FUNDS, CODEC);
    }
}
