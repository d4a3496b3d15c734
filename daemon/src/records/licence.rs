//! What a licence is, and what a datanet's says about training.

use crate::error::{Code, ServiceError, ServiceResult};

/// Longest licence in bytes.
const MAX_BYTES: usize = 64;

/// Deepest brackets.
const MAX_DEPTH: usize = 8;

/// Refuses what is no SPDX licence expression: identifiers, with `+` and `WITH` an exception, joined by `AND` and `OR`, in
/// brackets. The form is checked, not whether SPDX lists the identifier: that list grows without us.
///
/// # Errors
/// When it is none ([`Code::BadLicence`]).
pub fn check_licence(licence: &str) -> ServiceResult<()> {
    let good = !licence.is_empty() && licence.len() <= MAX_BYTES && forbidden(licence).is_some();
    if good {
        return Ok(());
    }
    Err(ServiceError::new(
        Code::BadLicence,
        format!(
            "{licence:?} is no SPDX licence expression of 1 to {MAX_BYTES} bytes; write for example CC-BY-4.0, MIT OR Apache-2.0, or LicenseRef-NAME for one of your own"
        ),
    ))
}

/// Whether a model may be trained on records under `licence`, an SPDX expression.
///
/// A model is an adaptation of what it was trained on. So a licence that allows no derivatives allows no training, and
/// neither does "all rights reserved". Of alternatives (`OR`) one is enough, of what holds together (`AND`) all must allow it.
///
/// # Errors
/// When it may not: why, in words.
pub fn permits_training(licence: &str) -> Result<(), String> {
    match forbidden(licence) {
        Some(None) => Ok(()),
        Some(Some(part)) => {
            Err(format!("licence {part} allows no derivatives, and a model trained on the records would be one"))
        }
        None => Err(format!("{licence:?} is no SPDX licence expression, so nothing is known of what it allows")),
    }
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;
/// The part of an expression that forbids adaptations, if it does as a whole.
type Forbidding<'a> = Option<&'a str>;

/// Reads an expression; `None` if it is none.
fn forbidden(licence: &str) -> Option<Option<String>> {
    let spaced = licence.replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let found = alternatives(&mut words, 0)?;
    words.next().is_none().then(|| found.map(str::to_owned))
}

/// `OR` binds less than `AND`.
fn alternatives<'a>(words: &mut Words<'a>, depth: usize) -> Option<Forbidding<'a>> {
    let mut found = all(words, depth)?;
    while words.next_if_eq(&"OR").is_some() {
        let other = all(words, depth)?;
        found = found.and_then(|found| other.and(Some(found)));
    }
    Some(found)
}

fn all<'a>(words: &mut Words<'a>, depth: usize) -> Option<Forbidding<'a>> {
    let mut found = term(words, depth)?;
    while words.next_if_eq(&"AND").is_some() {
        let other = term(words, depth)?;
        found = found.or(other);
    }
    Some(found)
}

fn term<'a>(words: &mut Words<'a>, depth: usize) -> Option<Forbidding<'a>> {
    match words.next()? {
        "(" if depth < MAX_DEPTH => {
            let found = alternatives(words, depth.saturating_add(1))?;
            words.next_if_eq(&")").map(|_| found)
        }
        word if is_id(word.strip_suffix('+').unwrap_or(word)) => {
            if words.next_if_eq(&"WITH").is_some() {
                words.next().filter(|exception| is_id(exception))?;
            }
            Some(Some(word).filter(|word| forbids_adaptation(word)))
        }
        _ => None,
    }
}

/// `CC-BY-4.0`, `LicenseRef-ours`, `DocumentRef-spdx:LicenseRef-ours`.
fn is_id(word: &str) -> bool {
    let name = match word.strip_prefix("DocumentRef-").map(|rest| rest.split_once(':')) {
        Some(Some((document, name))) if is_plain(document) && name.starts_with("LicenseRef-") => name,
        Some(_) => return false,
        None => word,
    };
    is_plain(name.strip_prefix("LicenseRef-").unwrap_or(name)) && !matches!(name, "AND" | "OR" | "WITH")
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

fn forbids_adaptation(part: &str) -> bool {
    let part = part.to_ascii_uppercase();
    part.split('-').any(|piece| piece == "ND") || matches!(part.as_str(), "NONE" | "LICENSEREF-PROPRIETARY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_told_from_words() {
        for licence in [
            "CC-BY-4.0",
            "GPL-2.0+",
            "MIT OR Apache-2.0",
            "(MIT AND CC0-1.0) OR LicenseRef-ours",
            "GPL-2.0-only WITH Classpath-exception-2.0",
            "DocumentRef-x:LicenseRef-y",
        ] {
            assert!(check_licence(licence).is_ok(), "{licence}");
        }
        let long = "x".repeat(65);
        for text in [
            "",
            "all rights reserved",
            "CC BY 4.0",
            "MIT OR",
            "AND",
            "(MIT",
            "MIT)",
            "a/b",
            "LicenseRef-",
            "MIT WITH",
            "CC-BY-4.0, MIT",
            "DocumentRef-x",
            &long,
            &"(".repeat(40),
        ] {
            assert!(check_licence(text).unwrap_err().detail.contains("LicenseRef-NAME"), "{text}");
        }
    }

    #[test]
    fn licences_that_allow_adaptations_allow_training() {
        for licence in [
            "CC-BY-4.0",
            "CC0-1.0",
            "MIT OR CC-BY-ND-4.0",
            "(CC-BY-SA-4.0)",
            "CC-BY-NC-4.0",
            "(MIT OR CC-BY-ND-4.0) AND MIT",
        ] {
            assert_eq!(permits_training(licence), Ok(()), "{licence}");
        }
    }

    #[test]
    fn licences_without_derivatives_do_not() {
        for licence in [
            "CC-BY-ND-4.0",
            "CC-BY-NC-ND-4.0",
            "MIT AND CC-BY-ND-4.0",
            "NONE",
            "(MIT OR Apache-2.0) AND CC-BY-ND-4.0",
            "CC-BY-ND-4.0 AND (MIT OR NONE)",
            "CC-BY-ND-4.0 OR NONE",
            "CC-BY-ND-4.0+",
        ] {
            assert!(permits_training(licence).unwrap_err().contains("no derivatives"), "{licence}");
        }
    }
}
