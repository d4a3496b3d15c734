//! What a task takes of a record: its text, its label, and what means the same.

use std::collections::BTreeMap;

use datanet_data::corpus::Record;
use datanet_training::job::{Job, Task};
use datanet_types::schema::Schema;
use serde_json::Value;

use super::data::Piece;

/// Which fields are used; the record's own text and label where none is named.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    task: Task,
    text: Option<String>,
    label: Option<String>,
    pair: Option<String>,
}

impl Shape {
    /// The fields that `job` names; those that are the schema's own anyway need no second look.
    pub(super) fn of(job: &Job, schema: &Schema) -> Self {
        use datanet_types::schema::FieldRole::{Label, Text};
        let own = |role| schema.fields.iter().find(|field| field.field_role() == Some(role)).map(|field| &field.name);
        let other = |named: &Option<String>, role| named.clone().filter(|name| own(role) != Some(name));
        let data = &job.data;
        Self {
            task: job.task,
            text: other(&data.text, Text),
            label: other(&data.label, Label),
            pair: data.pair.clone(),
        }
    }

    /// The parts of a record; `None` where one that the task needs is missing.
    pub(super) fn piece(&self, record: &Record) -> Option<Piece> {
        let parsed = match (&self.text, &self.label, &self.pair) {
            (None, None, None) => Value::Null,
            _ => serde_json::from_str(record.canonical()).ok()?,
        };
        let field = |name: &String| as_text(&parsed[name.as_str()]);
        let text = match &self.text {
            None => record.text().to_owned(),
            Some(name) => field(name)?,
        };
        let label = match &self.label {
            None => record.label().map(str::to_owned),
            Some(name) => field(name),
        };
        let pair = self.pair.as_ref().and_then(field);
        let complete = match self.task {
            Task::Classify => label.is_some(),
            Task::Embed => pair.is_some() || (self.pair.is_none() && label.is_some()),
            Task::Generate => true,
        };
        (complete && !text.trim().is_empty()).then_some(Piece { text, label, pair })
    }
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

/// Pairs every record with the next of its label, the last with the first: records that mean the same as far as anybody
/// has said. One that is alone with its label stays without.
pub(super) fn pair_by_label(mut pieces: Vec<Piece>) -> Vec<Piece> {
    let mut members: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        if let Some(label) = &piece.label {
            members.entry(label.clone()).or_default().push(place);
        }
    }
    for places in members.into_values().filter(|places| places.len() > 1) {
        let texts: Vec<String> = places.iter().filter_map(|place| Some(pieces.get(*place)?.text.clone())).collect();
        for (place, text) in places.iter().zip(texts.iter().cycle().skip(1)) {
            if let Some(piece) = pieces.get_mut(*place) {
                piece.pair = Some(text.clone());
            }
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_label_mean_the_same() {
        let piece = |text: &str, label: &str| Piece { text: text.into(), label: Some(label.into()), pair: None };
        let paired = pair_by_label(vec![piece("1", "a"), piece("2", "b"), piece("3", "a"), piece("4", "a")]);
        let pairs: Vec<Option<&str>> = paired.iter().map(|piece| piece.pair.as_deref()).collect();
        assert_eq!(pairs, [Some("3"), None, Some("4"), Some("1")]);
    }

    #[test]
    fn named_fields_are_read_and_what_lacks_them_is_passed_over() {
        let mut schema = Schema::text_and_label(&[]);
        schema.fields.push(datanet_types::schema::Field { name: "kind".into(), ..Default::default() });
        let mut job = Job::new("m", Task::Classify);
        job.data.label = Some("kind".into());
        let shape = Shape::of(&job, &schema);
        let piece = |json: &str| shape.piece(&Record::from_json(json, &schema).unwrap());
        assert_eq!(piece(r#"{"text": "x", "label": "l", "kind": "k"}"#).unwrap().label.as_deref(), Some("k"));
        assert_eq!(piece(r#"{"text": "x", "label": "l"}"#), None);
    }
}
