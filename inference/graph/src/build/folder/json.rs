//! The small JSON files of a model folder, as far as they are any files of a stranger.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::instead::instead;
use crate::build::BuildError;

/// Far above any real `config.json`.
const MAX_CONFIG_BYTES: u64 = 1 << 20;

/// Far above any real file beside it; those of tokenizers list thousands of tokens.
const MAX_FURTHER_BYTES: u64 = 8 << 20;

/// The bytes of a `config.json` of sane size.
pub(in crate::build) fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    let read_error = |source| BuildError::Read { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(read_error)?.len();
    if bytes > MAX_CONFIG_BYTES {
        return Err(BuildError::Config(format!("it has {bytes} bytes, more than {MAX_CONFIG_BYTES}")));
    }
    std::fs::read(path).map_err(read_error)
}

/// Its keys.
pub(in crate::build) fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, BuildError> {
    keys(json).map_err(BuildError::Config)
}

/// The keys of a file, or in words what is wrong with it: which key, what it holds and what it may hold.
pub(in crate::build) fn keys<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    // Editors put the mark there; readers in Python look past it too.
    let json = json.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(json);
    if let Some(other) = instead(json) {
        return Err(other.to_owned());
    }
    let value: Value = serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let what = if error.is_eof() { "it is cut short" } else { "it is not JSON" };
        format!("{what} (line {line}, column {column}); fetch the file again")
    })?;
    from_value(&value)
}

/// The same of a value that is JSON already.
pub(in crate::build) fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, String> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        in_words(value, &path, &error.into_inner().to_string())
    })
}

/// What serde says, in the words of a file: its own are those of Rust's types.
fn in_words(value: &Value, path: &str, said: &str) -> String {
    let name = if path == "." { "the file" } else { path };
    if let Some(key) = said.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let within = if path == "." { String::new() } else { format!(" in {path}") };
        return format!("the key {key} is missing{within}");
    }
    let expected = match said.rsplit_once("expected ") {
        Some((_, expected)) => expected,
        None if said.starts_with("data did not match") => "another kind of value",
        None => said,
    };
    let is_type = |known: &&str| expected == *known || expected.starts_with(&format!("{known} "));
    let words = TYPES.into_iter().find(|(types, _)| types.iter().any(is_type));
    let expected = words.map_or(expected, |(_, words)| words);
    match at(value, path) {
        Some(held) => {
            let held = held.to_string();
            let shown: String = held.chars().take(MAX_SHOWN).collect();
            let dots = if shown.len() < held.len() { "…" } else { "" };
            format!("{name} is {shown}{dots}; it takes {expected}")
        }
        None => format!("{name} takes {expected}"),
    }
}

/// Most characters of a value in a message.
const MAX_SHOWN: usize = 64;

/// What serde calls types, and what people do.
const TYPES: [(&[&str], &str); 7] = [
    (&["usize", "u8", "u16", "u32", "u64"], "a whole number that is not negative"),
    (&["i32", "i64"], "a whole number"),
    (&["f32", "f64"], "a number"),
    (&["a string", "a borrowed string", "string"], "a text"),
    (&["a boolean"], "true or false"),
    (&["a sequence"], "a list"),
    (&["a map", "struct"], "an object ({…})"),
];

/// The value at a path such as `rope_scaling.factor` or `modules[0].type`.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let mut names = path.split(['.', '[', ']']).filter(|name| !name.is_empty());
    names.try_fold(value, |value, name| match value {
        Value::Array(items) => items.get(name.parse::<usize>().ok()?),
        _ => value.get(name),
    })
}

/// The bytes of a file that a folder may have or not, by its path within the folder.
pub(super) fn read_optional(folder: &Path, file: &str) -> Result<Option<Vec<u8>>, BuildError> {
    let path = folder.join(file);
    let about = match std::fs::metadata(&path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BuildError::Read { path, source }),
    };
    if !about.is_file() {
        return Err(BuildError::file(file, "it is no regular file"));
    }
    if about.len() > MAX_FURTHER_BYTES {
        let what = format!("it has {} bytes, more than {MAX_FURTHER_BYTES}", about.len());
        return Err(BuildError::file(file, what));
    }
    std::fs::read(&path).map(Some).map_err(|source| BuildError::Read { path, source })
}

/// The keys of a file that a folder may have or not.
pub(super) fn parse_optional<T: DeserializeOwned>(folder: &Path, file: &str) -> Result<Option<T>, BuildError> {
    let Some(bytes) = read_optional(folder, file)? else { return Ok(None) };
    keys(&bytes).map(Some).map_err(|what| BuildError::file(file, what))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Raw {
        width: usize,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        names: Vec<String>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        factor: f64,
        on: bool,
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key_with_what_it_holds_and_takes() {
        for (json, says) in [
            (r#"{"width":"32"}"#, r#"width is "32"; it takes a whole number that is not negative"#),
            (r#"{"width":-1}"#, "width is -1; it takes a whole number that is not negative"),
            (r#"{"width":null}"#, "width is null; it takes a whole number that is not negative"),
            (r#"{"width":3.5}"#, "width is 3.5; it takes a whole number"),
            ("{}", "the key width is missing"),
            (r#"{"width":1,"inner":"linear"}"#, r#"inner is "linear"; it takes an object"#),
            (r#"{"width":1,"inner":{"factor":"2"}}"#, r#"inner.factor is "2"; it takes a number"#),
            (r#"{"width":1,"inner":{"factor":2}}"#, "the key on is missing in inner"),
            (r#"{"width":1,"inner":{"factor":2,"on":1}}"#, "inner.on is 1; it takes true or false"),
            (r#"{"width":1,"names":["a",2]}"#, "names[1] is 2; it takes a text"),
            ("[]", "the file is []; it takes an object"),
            (r#"{"width":1,"names":{}}"#, "names is {}; it takes a list"),
            ("3", "the file is 3; it takes an object"),
            (r#"{"width":1"#, "it is cut short (line 1, column 10)"),
            ("{width:1}", "it is not JSON (line 1, column 2)"),
            ("<!DOCTYPE html><p>", "a web page"),
            ("version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
        ] {
            let said = keys::<Raw>(json.as_bytes()).unwrap_err();
            assert!(said.contains(says), "{json}: {said}");
        }
        assert_eq!(keys::<Raw>("\u{feff}{\"width\":3}".as_bytes()).unwrap().width, 3);
    }
}
