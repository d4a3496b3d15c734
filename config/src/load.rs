//! Reading a configuration: the file's table, the environment over it, the flags over that, and then one typed value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use crate::validate::{allowed, check};
use crate::variables::variable_text;
use crate::{ConfigError, NodeConfig, VERSION, expand, read_text};

/// What to do with a file that is cut short or mistyped.
const MEND: &str =
    "correct it, or move it away and run `datanet init`, which writes a new one and leaves all else as it is";

/// What flags say: pairs of a key (`api.listen`) and its value as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides(Vec<(String, String)>);

impl Overrides {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; a later one for the same key wins.
    #[must_use]
    pub fn set(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        self.0.push((key.into(), value.to_string()));
        self
    }

    /// Adds `key=value`, as after `--set`.
    ///
    /// # Errors
    /// When there is no `=`.
    pub fn set_text(self, text: &str) -> Result<Self, ConfigError> {
        match text.split_once('=') {
            Some((key, value)) => Ok(self.set(key.trim(), value.trim())),
            None => Err(ConfigError::Syntax {
                origin: format!("--set {text}"),
                detail: "write section.key=value".to_owned(),
            }),
        }
    }
}

/// The environment variable of a key: `api.listen` is `DATANET_API_LISTEN`.
pub fn env_name(key: &str) -> String {
    format!("DATANET_{}", key.to_uppercase().replace('.', "_"))
}

/// The configuration: `file`, where one is given, else the defaults; over it what `env` has for its keys (pass
/// `std::env::vars_os()`: what is not ours need not be text); over that `flags`.
///
/// # Errors
/// When the file cannot be read or is not TOML, for a variable of ours that is not UTF-8, or for the first key that is
/// unknown or has a value it cannot have.
pub fn load(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &Overrides,
) -> Result<NodeConfig, ConfigError> {
    let (table, origin) = match file {
        None => (Table::from_iter([("version".to_owned(), Value::from(VERSION))]), "defaults".to_owned()),
        Some(path) => {
            let text = read_text(path)?;
            let origin = path.display().to_string();
            let table = text.parse::<Table>().map_err(|error| ConfigError::Syntax {
                origin: origin.clone(),
                detail: format!("{}\n{MEND}", error.to_string().trim()),
            })?;
            (table, origin)
        }
    };
    let mut layers = Layers { table, file: origin, origins: BTreeMap::new() };
    layers.add_env(env)?;
    layers.add_flags(flags)?;
    layers.finish()
}

impl NodeConfig {
    /// The configuration as TOML, without comments.
    pub fn to_toml(&self) -> String {
        self.to_table().to_string()
    }

    fn to_table(&self) -> Table {
        // Every field is a string, a number, a boolean, a list of them or a table of those: it always fits.
        Table::try_from(self).unwrap_or_default()
    }

    /// Every key, `section.key`, with its default value.
    pub fn keys() -> Vec<(String, Value)> {
        let sections = Self::default().to_table().into_iter();
        sections
            .filter_map(|(section, value)| match value {
                Value::Table(keys) => Some(keys.into_iter().map(move |(key, v)| (format!("{section}.{key}"), v))),
                _ => None,
            })
            .flatten()
            .collect()
    }
}

struct Layers {
    table: Table,
    file: String,
    /// Where a key's value came from, unless it is the file.
    origins: BTreeMap<String, String>,
}

impl Layers {
    fn add_env(&mut self, env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<(), ConfigError> {
        let keys: BTreeMap<_, _> =
            NodeConfig::keys().into_iter().map(|(key, default)| (env_name(&key), (key, default))).collect();
        for (name, value) in env {
            // Other variables of ours, such as DATANET_CACHE, are nobody's keys. An empty one counts as unset.
            let Some(name) = name.to_str().filter(|_| !value.is_empty()) else { continue };
            if let Some((key, default)) = keys.get(name) {
                self.put(key, default, &variable_text(name, &value)?, name)?;
            }
        }
        Ok(())
    }

    fn add_flags(&mut self, flags: &Overrides) -> Result<(), ConfigError> {
        let keys: BTreeMap<_, _> = NodeConfig::keys().into_iter().collect();
        for (key, text) in &flags.0 {
            let origin = format!("--set {key}");
            let default = keys.get(key).ok_or_else(|| ConfigError::UnknownKey {
                key: key.clone(),
                origin: origin.clone(),
                allowed: format!("it has {}", keys.keys().cloned().collect::<Vec<_>>().join(", ")),
            })?;
            self.put(key, default, text, &origin)?;
        }
        Ok(())
    }

    /// Sets `key` to what `text` says, read as the kind of value that the default is.
    fn put(&mut self, key: &str, default: &Value, text: &str, origin: &str) -> Result<(), ConfigError> {
        let value = from_text(key, default, text).ok_or_else(|| ConfigError::Value {
            key: key.to_owned(),
            value: text.to_owned(),
            origin: origin.to_owned(),
            allowed: allowed(key).to_owned(),
        })?;
        let (section, name) = key.split_once('.').unwrap_or(("", key));
        let section = self.table.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section {
            section.insert(name.to_owned(), value);
        }
        self.origins.insert(key.to_owned(), origin.to_owned());
        Ok(())
    }

    fn finish(self) -> Result<NodeConfig, ConfigError> {
        self.check_version()?;
        let mut config: NodeConfig =
            serde_path_to_error::deserialize(Value::Table(self.table.clone())).map_err(|error| {
                let path = error.path().to_string();
                self.explain(&path, error.inner())
            })?;
        check(&config).map_err(|wrong| match wrong.reason {
            Some(reason) => self.refuse(&wrong.key, wrong.value, reason),
            None => self.wrong(&wrong.key, wrong.value),
        })?;
        self.expand("inference.model_dir", &mut config.inference.model_dir)?;
        self.expand("models.folder", &mut config.models.folder)?;
        self.expand("public.deny_file", &mut config.public.deny_file)?;
        Ok(config)
    }

    /// Puts the user's home for a `~` at the beginning of a path; an empty one is the default.
    fn expand(&self, key: &str, path: &mut PathBuf) -> Result<(), ConfigError> {
        if !path.as_os_str().is_empty() {
            let (key, value, origin) = (key.to_owned(), path.display().to_string(), self.origin(key));
            *path = expand(&*path).map_err(|source| ConfigError::Path { key, value, origin, source })?;
        }
        Ok(())
    }

    fn origin(&self, key: &str) -> String {
        self.origins.get(key).unwrap_or(&self.file).clone()
    }

    fn check_version(&self) -> Result<(), ConfigError> {
        let found = self.table.get("version");
        if found.and_then(Value::as_integer) == Some(i64::from(VERSION)) {
            return Ok(());
        }
        Err(ConfigError::Version {
            found: found.map_or_else(|| "nothing".to_owned(), ToString::to_string),
            origin: self.file.clone(),
            supported: VERSION,
        })
    }

    /// The error of a key that could not be typed. The path may go on into a list: `node.roles[0]`.
    fn explain(&self, path: &str, error: &toml::de::Error) -> ConfigError {
        let message = error.message().trim();
        if let Some(rest) = message.strip_prefix("unknown field ") {
            let allowed = rest.split_once(", ").map_or(rest, |(_, allowed)| allowed).to_owned();
            return ConfigError::UnknownKey { key: path.to_owned(), origin: self.file.clone(), allowed };
        }
        let key = path.split('[').next().unwrap_or(path);
        let value = key
            .split('.')
            .try_fold(None::<&Value>, |at, name| match at {
                None => self.table.get(name).map(Some),
                Some(table) => table.get(name).map(Some),
            })
            .flatten();
        self.wrong(key, value.map_or_else(|| "nothing".to_owned(), ToString::to_string))
    }

    fn wrong(&self, key: &str, value: String) -> ConfigError {
        self.refuse(key, value, allowed(key))
    }

    fn refuse(&self, key: &str, value: String, reason: &str) -> ConfigError {
        let origin = self.origin(key);
        ConfigError::Value { key: key.to_owned(), value, origin, allowed: reason.to_owned() }
    }
}

/// Text of the environment or of a flag as a value of the default's kind.
fn from_text(key: &str, default: &Value, text: &str) -> Option<Value> {
    let list = || text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Value::from).collect();
    match default {
        Value::String(_) if key == "datanets.subscribe" && text != "all" => Some(Value::Array(list())),
        Value::String(_) => Some(Value::from(text)),
        Value::Integer(_) => text.replace('_', "").parse::<i64>().ok().map(Value::Integer),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(Value::Array(list())),
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// For tests and tools that have no file: the text of one.
impl std::str::FromStr for NodeConfig {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let table = text.parse::<Table>().map_err(|error| ConfigError::Syntax {
            origin: "the text".to_owned(),
            detail: error.to_string().trim().to_owned(),
        })?;
        Layers { table, file: "the text".to_owned(), origins: BTreeMap::new() }.finish()
    }
}

#[cfg(test)]
mod tests;
