//! What serde says of a request, in the words of those who sent it: which field, what it is, what it takes.

use serde::Deserializer;
use serde::de::DeserializeOwned;

use crate::error::{Code, ServiceError, ServiceResult};

/// Longest piece of a request that an error repeats, in characters.
const SHOWN: usize = 80;

/// Reads a `T`; a refusal has `code` and names the field by its path.
pub(in crate::http) fn read<'de, T, D>(from: D, code: Code) -> ServiceResult<T>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    read_at("", from, code)
}

/// The same for what stands at `place` of the request.
pub(in crate::http) fn read_at<'de, T, D>(place: &str, from: D, code: Code) -> ServiceResult<T>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
    D::Error: std::fmt::Display,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let (field, words) = in_words(&error.path().to_string(), &error.inner().to_string());
        let field = field_at(place, &field);
        let named = if field.is_empty() { "the request".to_owned() } else { format!("{field:?}") };
        let error = ServiceError::new(code, format!("{named} {words}"));
        if field.is_empty() { error } else { error.about(field) }
    })
}

/// `name` below `path`; both may be empty.
pub(in crate::http) fn field_at(path: &str, name: &str) -> String {
    match (path, name) {
        ("" | ".", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}

/// The beginning of what a request says, for an error to show.
pub(in crate::http) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Whether a text has nothing that anybody would see: spaces, controls, and characters without width.
pub(in crate::http) fn says_nothing(text: &str) -> bool {
    let invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    text.chars().all(|c| c.is_whitespace() || c.is_control() || invisible(c))
}

/// The field at fault, and what is wrong with it, out of serde's own words.
fn in_words(path: &str, said: &str) -> (String, String) {
    let here = cut(&field_at(path, ""));
    let here = if here == "." { String::new() } else { here };
    if let Some(missing) = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next()) {
        return (field_at(path, missing), "is missing".to_owned());
    }
    if let Some((unknown, expected)) = parted(said, "unknown field `", "`, expected ") {
        // The path may end before the unknown name or with it.
        let inside = if path == unknown { "" } else { path.strip_suffix(&format!(".{unknown}")).unwrap_or(path) };
        let known = expected.trim_start_matches("one of ").replace('`', "");
        return (field_at(inside, &cut(unknown)), format!("is not a field here; there are: {known}"));
    }
    if let Some((unknown, expected)) = parted(said, "unknown variant `", "`, expected ") {
        let known = expected.trim_start_matches("one of ").replace('`', "");
        return (here, format!("is {:?}; it takes {known}", cut(unknown)));
    }
    let wrong =
        parted(said, "invalid type: ", ", expected ").or_else(|| parted(said, "invalid value: ", ", expected "));
    if let Some((given, expected)) = wrong {
        return (here, format!("is {}; it takes {}", shown(given), wanted(expected)));
    }
    if let Some((length, expected)) = parted(said, "invalid length ", ", expected ") {
        let (wanted, entries) = (wanted(expected), if length == "1" { "entry" } else { "entries" });
        return (here, format!("is a list of {length} {entries}; it takes {wanted}"));
    }
    if let Some(name) = said.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next()) {
        let inside = if path == name { "" } else { path };
        return (field_at(inside, name), "is given twice; give it once".to_owned());
    }
    match said {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            (here, "does not read; it takes a whole number".to_owned())
        }
        "number too large to fit in target type" => (here, "is too large a number; it takes a smaller one".to_owned()),
        "number too small to fit in target type" => (here, "is too small a number; it takes a larger one".to_owned()),
        "provided string was not `true` or `false`" => (here, "does not read; it takes true or false".to_owned()),
        other => (here, format!("does not read: {}", cut(other))),
    }
}

/// What stands between `before` and the last `between`, and what stands behind that.
fn parted<'a>(said: &'a str, before: &str, between: &str) -> Option<(&'a str, &'a str)> {
    said.strip_prefix(before)?.rsplit_once(between)
}

/// A value as serde names it, as people do.
fn shown(given: &str) -> String {
    let bare = given.split_once('`').map(|(_, rest)| rest.trim_end_matches('`'));
    match given {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        _ => match (given.strip_prefix("string "), bare) {
            (Some(text), _) => format!("the text {}", cut(text)),
            (None, Some(bare)) => cut(bare),
            (None, None) => cut(given),
        },
    }
}

/// A type as serde names it, as people do.
fn wanted(expected: &str) -> &str {
    match expected {
        "f32" | "f64" => "a number",
        "i8" => "a whole number from -128 to 127",
        "i16" => "a whole number from -32768 to 32767",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "i64" | "isize" => "a whole number from -9223372036854775808 to 9223372036854775807",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number from 0 to 18446744073709551615",
        "a boolean" => "true or false",
        "a string" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "they are only read")]
    struct Outer {
        inner: Vec<Inner>,
        flag: Option<bool>,
        small: Option<u8>,
        map: Option<BTreeMap<String, String>>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "they are only read")]
    struct Inner {
        share: f64,
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Soft,
        Loud,
    }

    fn refused(value: Value) -> (String, String) {
        let error = read::<Outer, _>(value, Code::BadField).unwrap_err();
        (error.param.unwrap_or_default().into_owned(), error.detail)
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path_with_what_it_takes() {
        for (value, param, says) in [
            (json!({}), "inner", "\"inner\" is missing"),
            (json!({ "inner": [{ "share": 1 }, {}] }), "inner[1].share", "is missing"),
            (json!({ "inner": [{ "share": "0.5" }] }), "inner[0].share", "is the text \"0.5\"; it takes a number"),
            (json!({ "inner": {} }), "inner", "is an object; it takes a list"),
            (json!({ "inner": [7] }), "inner[0]", "is 7; it takes an object"),
            (json!({ "inner": [], "flag": "yes" }), "flag", "it takes true or false"),
            (json!({ "inner": [], "small": 2.5 }), "small", "is 2.5; it takes a whole number from 0"),
            (json!({ "inner": [], "small": -1 }), "small", "is -1; it takes a whole number from 0 to 255"),
            (json!({ "inner": [], "small": 256 }), "small", "is 256; it takes a whole number from 0 to 255"),
            (json!({ "inner": [], "small": 1e30 }), "small", "it takes a whole number from 0 to 255"),
            (json!({ "inner": [[]] }), "inner[0]", "is a list of 0 entries; it takes an object"),
            (json!({ "inner": [], "map": { "a": true } }), "map.a", "is true; it takes a text"),
            (
                json!({ "inner": [{ "share": 1, "kind": "shrill" }] }),
                "inner[0].kind",
                "\"shrill\"; it takes soft or loud",
            ),
            (json!({ "inner": [{ "share": 1, "colour": 1 }] }), "inner[0].colour", "there are: share or kind"),
            (json!({ "inner": [], "colour": 1 }), "colour", "there are: inner, flag"),
        ] {
            let text = value.to_string();
            let (named, detail) = refused(value);
            assert_eq!(named, param, "{text}: {detail}");
            assert!(detail.contains(says) && detail.contains(&format!("{param:?}")), "{text}: {detail}");
        }
    }

    #[test]
    fn a_text_that_nobody_sees_says_nothing() {
        for nothing in
            ["", "   ", "\0", "\u{200b}", "\u{feff}\n\t", "\u{2060}\u{ad}", "\u{3000}", "\u{3164}", "\u{e0041}"]
        {
            assert!(says_nothing(nothing), "{nothing:?}");
        }
        for something in ["a", " . ", "\u{200b}x", "鳥", "🦉", "e\u{301}", "0"] {
            assert!(!says_nothing(something), "{something:?}");
        }
    }

    #[test]
    fn what_is_repeated_from_a_request_is_short() {
        let (_, detail) = refused(json!({ "inner": [{ "share": "é".repeat(5_000) }] }));
        assert!(detail.len() < 400, "{detail}");
        let (param, detail) = refused(json!({ "inner": [], "é".repeat(5_000): 1 }));
        assert!(param.len() < 400 && detail.len() < 800, "{detail}");
    }
}
