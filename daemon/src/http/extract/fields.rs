//! What becomes of each field of a request in one of OpenAI's shapes.
//!
//! A field that would change the answer and does not is a lie: it is refused by name, with what to do instead. One that
//! would not is passed over. One that nobody knows is most likely a slip of the pen, and told so.

use serde_json::{Map, Value};

use super::words::{cut, field_at};
use crate::error::{Code, ServiceError, ServiceResult};

/// What becomes of a field.
pub(in crate::http) enum Fate {
    /// It is read.
    Taken,
    /// It changes nothing about the answer.
    Ignored,
    /// It is read, unless its value is unsound, and refused then, with this reason and way out.
    Sound(fn(&Value) -> bool, &'static str),
    /// It is refused, with this reason and way out, unless its value asks for what is done anyway.
    Unless(fn(&Value) -> bool, &'static str),
    /// It is read: an object with these fields, or a list of such.
    Holds(&'static Fields),
}

/// A field's name and what becomes of it.
pub(in crate::http) type Field = (&'static str, Fate);

/// All fields of an object, in parts that other objects may share.
pub(in crate::http) struct Fields(pub &'static [&'static [Field]]);

impl Fields {
    fn all(&self) -> impl Iterator<Item = &'static Field> {
        self.0.iter().flat_map(|part| part.iter())
    }

    /// Names of what is read.
    pub(in crate::http) fn taken(&self) -> impl Iterator<Item = &'static str> {
        self.all()
            .filter(|(_, fate)| matches!(fate, Fate::Taken | Fate::Sound(..) | Fate::Holds(_)))
            .map(|(name, _)| *name)
    }
}

/// So many refused fields are looked for and named: a request may have any number.
const NAMED: usize = 8;

/// Refuses what would not be heeded in a request: says of the first such field why, and names the others.
pub(in crate::http) fn check(fields: &Fields, request: &Map<String, Value>) -> ServiceResult<()> {
    let mut refused = Vec::new();
    look(fields, request, "", &mut refused);
    let mut refused = refused.into_iter();
    let Some((place, why)) = refused.next() else { return Ok(()) };
    let others: Vec<String> = refused.map(|(place, _)| format!("{place:?}")).collect();
    let more = if others.is_empty() { String::new() } else { format!(" (refused likewise: {})", others.join(", ")) };
    Err(ServiceError::new(Code::BadParameter, format!("{place:?} {why}{more}")).about(place))
}

/// Collects what is refused in `object`, which stands at `path` of the request, with the reasons.
fn look(fields: &Fields, object: &Map<String, Value>, path: &str, refused: &mut Vec<(String, String)>) {
    for (name, value) in object {
        if refused.len() >= NAMED {
            return;
        }
        let place = field_at(path, &cut(name));
        match fields.all().find(|(known, _)| known == name).map(|(_, fate)| fate) {
            Some(Fate::Taken | Fate::Ignored) => {}
            Some(Fate::Sound(fine, _) | Fate::Unless(fine, _)) if fine(value) => {}
            Some(Fate::Sound(_, why) | Fate::Unless(_, why)) => refused.push((place, (*why).to_owned())),
            Some(Fate::Holds(inner)) => look_inside(inner, value, &place, refused),
            None => refused.push((place, unknown(fields, name))),
        }
    }
}

/// Looks into an object or a list of them; anything else is told its type where it is read.
fn look_inside(fields: &Fields, value: &Value, path: &str, refused: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) => look(fields, object, path, refused),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Value::Object(object) = item {
                    look(fields, object, &format!("{path}[{index}]"), refused);
                }
            }
        }
        _ => {}
    }
}

fn unknown(fields: &Fields, name: &str) -> String {
    match near(name, fields.taken()) {
        Some(known) => format!("is not known; did you mean {known:?}?"),
        None => "is not known; leave it out, or see /docs for what there is".to_owned(),
    }
}

/// The one of `known` that `name` is most likely meant to be: up to a slip in three letters, whatever the case.
fn near(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    /// No field is as long as this; comparing takes the product of both lengths.
    const LONGEST: usize = 64;
    if name.len() > LONGEST {
        return None;
    }
    let plain = |name: &str| name.to_ascii_lowercase().replace(['_', '-', ' '], "");
    let name = plain(name);
    let slips = known.map(|known| (strsim::damerau_levenshtein(&name, &plain(known)), known));
    slips.filter(|(slips, known)| slips * 3 <= known.len()).min().map(|(_, known)| known)
}

/// An input that is read as text: why ids of tokens are not.
pub(in crate::http) const TEXT: Fate =
    Fate::Sound(harmless::not_token_ids, "holds ids of tokens, and each model counts its own; send the text");

/// Values that ask for what is done anyway.
pub(in crate::http) mod harmless {
    use serde_json::Value;

    /// None: to send the field at all asks for something.
    pub(in crate::http) fn none(_: &Value) -> bool {
        false
    }

    /// 0.
    pub(in crate::http) fn zero(value: &Value) -> bool {
        value == 0
    }

    /// 1.
    pub(in crate::http) fn one(value: &Value) -> bool {
        value == 1
    }

    /// `false`.
    pub(in crate::http) fn off(value: &Value) -> bool {
        value == false
    }

    /// `true`.
    pub(in crate::http) fn on(value: &Value) -> bool {
        value == true
    }

    /// A list, object or text with nothing in it.
    pub(in crate::http) fn empty(value: &Value) -> bool {
        match value {
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            Value::String(text) => text.is_empty(),
            _ => false,
        }
    }

    /// Anything but ids of tokens, alone or in lists.
    pub(in crate::http) fn not_token_ids(value: &Value) -> bool {
        let Value::Array(items) = value else { return true };
        !items
            .iter()
            .any(|item| item.is_number() || item.as_array().is_some_and(|ids| ids.iter().any(Value::is_number)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    static PART: Fields = Fields(&[&[("role", Fate::Taken), ("tag", Fate::Ignored)]]);
    static WHOLE: Fields = Fields(&[
        &[("temperature", Fate::Taken), ("max_tokens", Fate::Taken), ("n", Fate::Unless(harmless::one, "is 1"))],
        &[("parts", Fate::Holds(&PART)), ("stop", Fate::Taken)],
    ]);

    fn refused(body: Value) -> Option<(String, String)> {
        let error = check(&WHOLE, body.as_object().unwrap()).err()?;
        assert_eq!(error.code, Code::BadParameter);
        Some((error.param.unwrap().into_owned(), error.detail))
    }

    #[test]
    fn fields_meet_their_fate() {
        for fine in [
            json!({}),
            json!({ "temperature": "odd types are told elsewhere", "n": 1 }),
            json!({ "parts": [{ "role": "a", "tag": 1 }, "text"] }),
            json!({ "parts": { "tag": {} } }),
        ] {
            assert_eq!(refused(fine.clone()), None, "{fine}");
        }
        for (body, param, says) in [
            (json!({ "n": 2 }), "n", "\"n\" is 1"),
            (json!({ "parts": [{}, { "rolle": 1 }] }), "parts[1].rolle", "did you mean \"role\"?"),
            (json!({ "parts": { "x": 1 } }), "parts.x", "/docs"),
            (json!({ "n": 2, "tempo": 1, "zeal": 1 }), "n", "(refused likewise: \"tempo\", \"zeal\")"),
        ] {
            let (named, detail) = refused(body).unwrap();
            assert!(named == param && detail.contains(says), "{named}: {detail}");
        }
    }

    #[test]
    fn slips_of_the_pen_are_told_what_was_meant() {
        for (slip, meant) in [
            ("temprature", "temperature"),
            ("Temperature", "temperature"),
            ("maxTokens", "max_tokens"),
            ("max_token", "max_tokens"),
            ("max-tokens", "max_tokens"),
            ("stops", "stop"),
        ] {
            assert_eq!(near(slip, WHOLE.taken()), Some(meant), "{slip}");
        }
        for other in ["", "x", "sto", "watermark", "mode"] {
            let found = near(other, WHOLE.taken());
            assert!(found.is_none() || other == "sto", "{other}: {found:?}");
        }
        assert_eq!(near(&"temperature".repeat(100_000), WHOLE.taken()), None);
    }

    #[test]
    fn token_ids_are_told_from_texts() {
        for ids in [json!([1, 2]), json!([[1, 2], [3]]), json!(["a", [1]])] {
            assert!(!harmless::not_token_ids(&ids), "{ids}");
        }
        for texts in [json!("a"), json!(["a", "b"]), json!([]), json!([[]]), json!(7)] {
            assert!(harmless::not_token_ids(&texts), "{texts}");
        }
    }
}
