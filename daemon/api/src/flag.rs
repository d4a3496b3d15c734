//! Switches in a query string.

use serde::de::{Deserializer, Unexpected, Visitor};

/// Reads `true` and `1`, `false` and `0`, in any case.
pub(crate) fn flag<'de, D: Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    from.deserialize_any(Flag)
}

struct Flag;

impl Visitor<'_> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<bool, E> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Deserialize)]
    struct Params {
        #[serde(default, deserialize_with = "flag")]
        on: bool,
    }

    #[test]
    fn a_switch_may_be_a_number_or_a_word() {
        for (value, on) in [("true", true), ("1", true), ("True", true), ("false", false), ("0", false)] {
            assert_eq!(serde_json::from_value::<Params>(json!({ "on": value })).unwrap().on, on, "{value}");
        }
        assert!(serde_json::from_value::<Params>(json!({ "on": true })).unwrap().on);
        assert!(serde_json::from_value::<Params>(json!({ "on": "maybe" })).is_err());
    }
}
