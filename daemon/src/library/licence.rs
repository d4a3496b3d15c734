//! What a datanet's licence says about training.

/// Whether a model may be trained on records under `licence`, an SPDX expression; the reason if not.
///
/// A model is an adaptation of what it was trained on. So a licence that allows no derivatives allows no training,
/// and neither does "all rights reserved". Of alternatives (`OR`) one is enough.
pub fn permits_training(licence: &str) -> Result<(), String> {
    let words = licence.replace(['(', ')'], " ");
    let mut refused = None;
    for alternative in words.split(" OR ") {
        match alternative.split(" AND ").map(str::trim).find(|part| forbids_adaptation(part)) {
            None => return Ok(()),
            Some(part) => refused = refused.or(Some(part.to_owned())),
        }
    }
    let part = refused.unwrap_or_default();
    Err(format!("licence {part} allows no derivatives, and a model trained on the records would be one"))
}

fn forbids_adaptation(part: &str) -> bool {
    let part = part.to_ascii_uppercase();
    part.split('-').any(|piece| piece == "ND") || matches!(part.as_str(), "NONE" | "LICENSEREF-PROPRIETARY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_that_allow_adaptations_allow_training() {
        for licence in ["CC-BY-4.0", "CC0-1.0", "MIT OR CC-BY-ND-4.0", "(CC-BY-SA-4.0)", "CC-BY-NC-4.0"] {
            assert_eq!(permits_training(licence), Ok(()), "{licence}");
        }
    }

    #[test]
    fn licences_without_derivatives_do_not() {
        for licence in ["CC-BY-ND-4.0", "CC-BY-NC-ND-4.0", "MIT AND CC-BY-ND-4.0", "NONE"] {
            assert!(permits_training(licence).unwrap_err().contains("no derivatives"), "{licence}");
        }
    }
}
