//! Text as JSON: each name once in an object, and a refusal says what stands there instead.

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::words::cut;
use crate::error::{Code, ServiceError, ServiceResult};

/// The value that `bytes` are. An object with a name twice is refused: which of the two is meant, nobody knows.
pub(super) fn parse(bytes: &[u8]) -> ServiceResult<Value> {
    let refused = |detail: String| ServiceError::new(Code::BadBody, detail);
    // Some editors and shells write a byte order mark before the text.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.trim_ascii().is_empty() {
        return Err(refused("the body is empty; send a JSON object".to_owned()));
    }
    if looks_like_utf16(bytes) {
        return Err(refused("the body is in UTF-16; send it in UTF-8".to_owned()));
    }
    if bytes.starts_with(b"\x1f\x8b") {
        return Err(refused("the body is gzip data; send `Content-Encoding: gzip` with it".to_owned()));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| refused(format!("the body is not UTF-8 at byte {}; send it in UTF-8", error.valid_up_to())))?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Once.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| refused(in_words(text, &error)))
}

/// A byte order mark, or the zeros that are every second byte of plain text then.
fn looks_like_utf16(bytes: &[u8]) -> bool {
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [one, other, ..] => (*one == 0) != (*other == 0),
        _ => false,
    }
}

fn in_words(text: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let reason = said.split(" at line ").next().unwrap_or(&said);
    let (line, column) = (error.line(), error.column());
    if error.is_eof() {
        return format!("the body ends in the middle, after {} bytes; send all of it", text.len());
    }
    if reason == "recursion limit exceeded" {
        return "the body nests lists and objects more than 127 deep; send it flatter".to_owned();
    }
    if let Some(name) = reason.strip_prefix(TWICE) {
        return format!("the body has {name} twice in one object (line {line}, column {column}); send it once");
    }
    let found = word_at(text, line, column);
    let hint = match found.trim_start_matches(['-', '+']) {
        "NaN" | "nan" | "Infinity" | "inf" | "Inf" => "; JSON has no such number: leave the field out, or send another",
        "None" | "undefined" => "; write null",
        "True" | "False" => "; write true or false",
        word if word.starts_with('\'') => "; texts stand in double quotes",
        word if word.starts_with('/') || word.starts_with('#') => "; JSON has no comments",
        _ => "",
    };
    let found = if found.is_empty() { String::new() } else { format!(", where {:?} stands", cut(found)) };
    format!("the body is not JSON at line {line}, column {column}: {reason}{found}{hint}")
}

/// What stands at a place that serde_json names: lines from 1, columns in bytes.
fn word_at(text: &str, line: usize, column: usize) -> &str {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or_default();
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '+' | '.' | '_');
    let at = line.floor_char_boundary(column.saturating_sub(1));
    let (before, after) = line.split_at(at);
    let start = before.len() - before.chars().rev().take_while(|c| part(*c)).map(char::len_utf8).sum::<usize>();
    let first = after.chars().next().filter(|c| !part(*c)).map_or(0, char::len_utf8);
    let rest = after.chars().take_while(|c| part(*c)).map(char::len_utf8).sum::<usize>();
    line.get(start..at + first.max(rest)).unwrap_or_default()
}

/// How an error begins that is about a name that came twice.
const TWICE: &str = "twice: ";

/// Reads a [`Value`] in which every object has each name once.
struct Once;

impl<'de> DeserializeSeed<'de> for Once {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Once {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Once)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("{TWICE}{:?}", cut(&name))));
            }
            let value = fields.next_value_seed(Once)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(body: &[u8]) -> String {
        let error = parse(body).unwrap_err();
        assert_eq!(error.code, Code::BadBody);
        error.detail
    }

    #[test]
    fn what_is_not_json_is_told_by_what_stands_there() {
        for (body, parts) in [
            (r#"{"a": NaN}"#, ["\"NaN\" stands", "no such number"]),
            (r#"{"a": -Infinity}"#, ["Infinity\" stands", "no such number"]),
            (r#"{"a": None}"#, ["\"None\" stands", "write null"]),
            (r#"{"a": True}"#, ["\"True\" stands", "true or false"]),
            (r#"{'a': 1}"#, ["line 1", "double quotes"]),
            ("{\"a\": 1,\n // no\n}", ["line 2", "no comments"]),
            (r#"{"a": "cut off"#, ["ends in the middle", "after 14 bytes"]),
            (r#"{"a": 1"#, ["ends in the middle", "send all of it"]),
            (r#"{"a": 1, "b": 2, "a": 1}"#, ["\"a\" twice", "send it once"]),
            (r#"{"b": [{"role": 1, "role": 2}]}"#, ["\"role\" twice", "column"]),
            (r#"{"a": 1} {"a": 2}"#, ["line 1, column 10", "trailing"]),
            (r#"{"a": 1e999}"#, ["number out of range", "column"]),
            (" \n", ["empty", "send a JSON object"]),
        ] {
            let said = refused(body.as_bytes());
            assert!(parts.iter().all(|part| said.contains(part)), "{body}: {said}");
        }
        assert!(refused("[".repeat(500).as_bytes()).contains("127 deep"));
        assert!(parse(format!("{}{}", "[".repeat(127), "]".repeat(127)).as_bytes()).is_ok());
    }

    #[test]
    fn other_encodings_are_named() {
        for big in [true, false] {
            let units = |text: &str| -> Vec<u8> {
                let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
                text.encode_utf16().flat_map(bytes).collect()
            };
            assert!(refused(&units("{\"a\": 1}")).contains("UTF-16"));
            assert!(refused(&units("\u{feff}{\"a\": 1}")).contains("UTF-16"));
        }
        assert!(refused(b"{\"a\": \"\xe4\"}").contains("not UTF-8 at byte 7"));
        assert!(refused(b"\x1f\x8b\x08\0\0").contains("Content-Encoding: gzip"));
        assert_eq!(parse("\u{feff}{\"a\": 1}".as_bytes()).unwrap(), serde_json::json!({ "a": 1 }));
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_as_serde_json_reads_it_or_refused(text in "[\\[\\]{}\",:a-bN'/ 0-9.eE+\\n-]{0,24}é?") {
            match (parse(text.as_bytes()), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Ok(_), Err(error)) => prop_assert!(false, "{text}: {error}"),
                (Err(_), Err(_)) => {}
                (Err(error), Ok(_)) => prop_assert!(error.detail.contains("twice"), "{text}: {error}"),
            }
        }
    }
}
