//! What a card says, in the YAML at the beginning of `README.md`.

use datanet_types::schema::FieldKind;
use serde_json::{Map, Value};

use super::licence::from_hub;
use super::{HubError, HubResult, list};
use crate::corpus::cut;

/// Longest description that is taken from a card, in bytes: what a datanet's may be.
const MAX_DESCRIPTION: usize = 1_024;
/// Most patterns of a card: each is compared with every file.
const MAX_PATTERNS: usize = 1_000;

/// The card of a data set.
#[derive(Debug, Default)]
pub struct Card {
    /// Its licence as SPDX has it, where that is known.
    pub licence: Option<String>,
    /// Its licence as it stands there.
    pub licence_as_written: Option<String>,
    /// What it is called for people.
    pub pretty_name: Option<String>,
    /// The first paragraph of its text.
    pub description: Option<String>,
    configs: Vec<ConfigEntry>,
    /// Columns by configuration; no name where the card describes one alone.
    infos: Vec<(Option<String>, Vec<Feature>)>,
}

/// A column as a card describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feature {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub kind: FeatureKind,
}

/// What is in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeatureKind {
    /// Values of a field.
    Plain(FieldKind),
    /// Numbers of classes, by these names.
    Classes(Vec<String>),
    /// What no field takes, as the card calls it.
    Other(String),
}

#[derive(Debug)]
pub(super) struct ConfigEntry {
    pub name: String,
    is_default: bool,
    pub data_files: DataFiles,
    pub data_dir: String,
}

/// Where the files of a configuration are.
#[derive(Debug, Default)]
pub(super) enum DataFiles {
    /// Nothing is said: by the rules.
    #[default]
    ByRule,
    /// Patterns by split, in order.
    Named(Vec<(String, Vec<String>)>),
}

impl Card {
    /// Reads a card.
    pub(super) fn read(text: &str) -> HubResult<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let (front, body) = split(text)?;
        let mut card = Self { description: first_paragraph(body), ..Self::default() };
        let Some(front) = front else { return Ok(card) };
        let value: Value = serde_saphyr::from_str(front).map_err(|error| {
            let reason = error.to_string();
            bad(format!("has YAML that cannot be read: {}", cut(reason.lines().next().unwrap_or_default(), 200)))
        })?;
        let Value::Object(front) = value else {
            return if value.is_null() { Ok(card) } else { Err(bad("has YAML that is no list of keys")) };
        };
        card.read_licence(&front);
        card.pretty_name = text_of(&front, "pretty_name");
        if let Some(entries) = front.get("configs") {
            card.configs = entries_of(entries).into_iter().map(config).collect::<HubResult<_>>()?;
        }
        if let Some(infos) = front.get("dataset_info") {
            card.infos = entries_of(infos).into_iter().map(info).collect::<HubResult<_>>()?;
        }
        Ok(card)
    }

    fn read_licence(&mut self, front: &Map<String, Value>) {
        let said: Vec<&str> = match front.get("license") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if said.is_empty() {
            return;
        }
        self.licence_as_written = Some(cut(&said.join(", "), 200));
        self.licence = match said.as_slice() {
            ["other"] => text_of(front, "license_name"),
            [one] => from_hub(one),
            _ => None,
        };
    }

    /// The configuration called `wanted`, or the one that is meant without a name; none if the card lists none.
    pub(super) fn config(&self, wanted: Option<&str>) -> HubResult<Option<&ConfigEntry>> {
        let there = || list(self.configs.iter().map(|config| config.name.as_str()));
        if self.configs.is_empty() {
            return match wanted {
                None | Some("default") => Ok(None),
                Some(wanted) => Err(HubError::Config(format!(
                    "the data set has no configuration {wanted:?}; its card lists none: leave --config out"
                ))),
            };
        }
        if let Some(wanted) = wanted {
            let found = self.configs.iter().find(|config| config.name == wanted);
            let refusal = || format!("the data set has no configuration {wanted:?}; it has {}", there());
            return found.map(Some).ok_or_else(|| HubError::Config(refusal()));
        }
        let [only] = self.configs.as_slice() else {
            let default = self.configs.iter().find(|config| config.is_default);
            let default = default.or_else(|| self.configs.iter().find(|config| config.name == "default"));
            let refusal = || format!("the data set has the configurations {}; choose one with --config", there());
            return default.map(Some).ok_or_else(|| HubError::Config(refusal()));
        };
        Ok(Some(only))
    }

    /// The columns of a configuration, as far as the card describes them.
    pub(super) fn features(&self, config: &str) -> Vec<Feature> {
        let named = self.infos.iter().find(|(name, _)| name.as_deref() == Some(config));
        let alone = || self.infos.first().filter(|(name, _)| self.infos.len() == 1 && name.is_none());
        named.or_else(alone).map(|(_, features)| features.clone()).unwrap_or_default()
    }
}

/// The YAML between the first two lines of three dashes, and what comes behind.
fn split(text: &str) -> HubResult<(Option<&str>, &str)> {
    let Some(rest) = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n")) else {
        return Ok((None, text));
    };
    let mut at = 0;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Ok((Some(&rest[..at]), &rest[at + line.len()..]));
        }
        at += line.len();
    }
    Err(bad("begins with --- and has no second line of that; close the YAML with one"))
}

/// What the data set is, said before anything else: no heading, list, table or markup.
fn first_paragraph(body: &str) -> Option<String> {
    let is_prose =
        |line: &str| line.starts_with(|first: char| first.is_alphanumeric() || matches!(first, '"' | '*' | '_'));
    let mut paragraphs = body.split("\n\n").map(|paragraph| paragraph.trim().lines().collect::<Vec<_>>());
    let prose = paragraphs.find_map(|lines| {
        let lines: Vec<&str> = lines.into_iter().filter(|line| !line.starts_with('#')).map(str::trim).collect();
        (!lines.is_empty() && lines.iter().all(|line| is_prose(line))).then(|| lines.join(" "))
    })?;
    let mut end = prose.len().min(MAX_DESCRIPTION);
    while !prose.is_char_boundary(end) {
        end -= 1;
    }
    Some(prose[..end].to_owned())
}

fn config(entry: &Map<String, Value>) -> HubResult<ConfigEntry> {
    let name = text_of(entry, "config_name").unwrap_or_else(|| "default".to_owned());
    let data_files = match entry.get("data_files") {
        None | Some(Value::Null) => DataFiles::ByRule,
        Some(named) => DataFiles::Named(splits(named).ok_or_else(|| {
            bad(format!(
                "has data_files of the configuration {name:?} that are neither paths nor a list of split and path"
            ))
        })?),
    };
    Ok(ConfigEntry {
        is_default: entry.get("default") == Some(&Value::Bool(true)),
        data_dir: text_of(entry, "data_dir").unwrap_or_default(),
        data_files,
        name,
    })
}

/// Patterns by split; `None` where they are written otherwise, or are too many.
fn splits(named: &Value) -> Option<Vec<(String, Vec<String>)>> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |split: &str, patterns: Vec<String>| match found.iter_mut().find(|(known, _)| known == split) {
        Some((_, known)) => known.extend(patterns),
        None => found.push((split.to_owned(), patterns)),
    };
    match named {
        Value::Array(entries) if entries.iter().all(Value::is_object) => {
            for entry in entries {
                add(entry.get("split")?.as_str()?, paths(entry.get("path")?)?);
            }
        }
        Value::Object(by_split) => {
            for (split, patterns) in by_split {
                add(split, paths(patterns)?);
            }
        }
        plain => add("train", paths(plain)?),
    }
    (found.iter().map(|(_, patterns)| patterns.len()).sum::<usize>() <= MAX_PATTERNS).then_some(found)
}

fn paths(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(several) => several.iter().map(|path| path.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

fn info(entry: &Map<String, Value>) -> HubResult<(Option<String>, Vec<Feature>)> {
    let described = entry.get("features").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let features = described.iter().filter_map(Value::as_object).map(feature).collect::<HubResult<_>>()?;
    Ok((text_of(entry, "config_name"), features))
}

fn feature(entry: &Map<String, Value>) -> HubResult<Feature> {
    let name = text_of(entry, "name").ok_or_else(|| bad("describes a column without a name"))?;
    let kind = match entry.get("dtype") {
        Some(Value::String(kind)) => plain(kind),
        Some(Value::Object(kind)) => match kind.get("class_label").and_then(|label| label.get("names")) {
            Some(names) => FeatureKind::Classes(classes(names).ok_or_else(|| {
                bad(format!("has classes of the column {name:?} that are not numbered from 0 on without a gap"))
            })?),
            None => FeatureKind::Other(kind.keys().next().cloned().unwrap_or_default()),
        },
        _ => FeatureKind::Other(
            ["sequence", "list", "struct"]
                .into_iter()
                .find(|of| entry.contains_key(*of))
                .map_or_else(|| "a nested value".to_owned(), |of| format!("a {of}")),
        ),
    };
    Ok(Feature { name, kind })
}

fn plain(kind: &str) -> FeatureKind {
    match kind {
        "string" | "large_string" => FeatureKind::Plain(FieldKind::String),
        "bool" => FeatureKind::Plain(FieldKind::Boolean),
        "float16" | "float32" | "float64" | "float" | "double" => FeatureKind::Plain(FieldKind::Number),
        "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32" | "uint64" => {
            FeatureKind::Plain(FieldKind::Integer)
        }
        other => FeatureKind::Other(cut(other, 64)),
    }
}

/// The names of classes in the order of their numbers.
fn classes(names: &Value) -> Option<Vec<String>> {
    let text = |name: &Value| match name {
        Value::String(name) => Some(name.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    };
    match names {
        Value::Array(names) => names.iter().map(text).collect(),
        Value::Object(by_number) => {
            (0..by_number.len()).map(|number| text(by_number.get(&number.to_string())?)).collect()
        }
        _ => None,
    }
}

/// One entry, or a list of them.
fn entries_of(value: &Value) -> Vec<&Map<String, Value>> {
    match value {
        Value::Array(entries) => entries.iter().filter_map(Value::as_object).collect(),
        Value::Object(one) => vec![one],
        _ => Vec::new(),
    }
}

fn text_of(map: &Map<String, Value>, key: &str) -> Option<String> {
    match map.get(key)? {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn bad(why: impl Into<String>) -> HubError {
    HubError::Card(why.into())
}
