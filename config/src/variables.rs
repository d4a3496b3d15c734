//! Variables that begin with `DATANET_`: which are ours.

use std::ffi::OsString;

use crate::{ConfigError, NodeConfig, env_name};

/// Those that are no key's.
const OTHERS: [&str; 7] = [
    "DATANET_HOME",
    "DATANET_CACHE",
    "DATANET_MODEL",
    "DATANET_COMETBFT",
    "DATANET_ABCI_CLI",
    "DATANET_URL",
    "DATANET_TOKEN",
];
/// Of the programs that test this one.
const TESTS: [&str; 4] = ["DATANET_TEST_", "DATANET_REQUIRE_", "DATANET_STUDY", "DATANET_TRAINING_TEST_"];

/// The first variable of ours that is not UTF-8 is an error; others' may be what they like.
///
/// # Errors
/// [`ConfigError::Variable`].
pub fn check_variables(env: impl IntoIterator<Item = (OsString, OsString)>) -> Result<(), ConfigError> {
    env.into_iter().try_for_each(|(name, value)| {
        let ours = name.as_encoded_bytes().starts_with(b"DATANET_");
        if ours { variable_text(&name.display().to_string(), &value).map(drop) } else { Ok(()) }
    })
}

/// A variable of ours as text.
pub(crate) fn variable_text(name: &str, value: &std::ffi::OsStr) -> Result<String, ConfigError> {
    let text = value.to_str().map(ToOwned::to_owned);
    text.ok_or_else(|| ConfigError::Variable { name: name.to_owned(), value: value.display().to_string() })
}

/// A warning for each variable that begins with `DATANET_` and changes nothing. No error: systems set such for services
/// that are called so (`DATANET_PORT`, `DATANET_API_SERVICE_HOST`).
pub fn unknown_variables(env: impl IntoIterator<Item = (OsString, OsString)>) -> Vec<String> {
    let keys = NodeConfig::keys().into_iter().map(|(key, _)| env_name(&key));
    let known: Vec<String> = keys.chain(OTHERS.map(str::to_owned)).collect();
    let names = env.into_iter().filter_map(|(name, _)| name.into_string().ok());
    let ours = names.filter(|name| name.starts_with("DATANET_") && !TESTS.iter().any(|test| name.starts_with(test)));
    let mut unknown: Vec<String> = ours.filter(|name| !known.contains(name)).collect();
    unknown.sort();
    unknown
        .iter()
        .map(|name| format!("the variable {name} changes nothing: there is no such key{}", meant(name, &known)))
        .collect()
}

/// The one that is most likely meant, up to a slip in two letters.
fn meant(name: &str, known: &[String]) -> String {
    let slips = known.iter().map(|known| (strsim::damerau_levenshtein(name, known), known));
    match slips.filter(|(slips, _)| *slips <= 2).min() {
        Some((_, known)) => format!("; did you mean {known}?"),
        None => " (DATANET_SECTION_KEY is section.key)".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_change_nothing_are_named_with_what_was_meant() {
        let warned = |names: &[&str]| unknown_variables(names.iter().map(|name| ((*name).into(), "1".into())));
        assert_eq!(warned(&["DATANET_HOME", "DATANET_API_LISTEN", "DATANET_CACHE", "PATH", "DATANET_TEST_X"]), [""; 0]);
        let said = warned(&["DATANET_FOO_BAR", "DATANET_API_LISEN"]);
        assert_eq!(said.len(), 2);
        assert!(
            said[0].contains("DATANET_API_LISEN") && said[0].contains("did you mean DATANET_API_LISTEN?"),
            "{said:?}"
        );
        assert!(said[1].contains("DATANET_FOO_BAR changes nothing"), "{said:?}");
    }
}
