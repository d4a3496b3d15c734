//! The licence that data comes with, against the datanet's: what is given is given under the datanet's.

use datanet_data::hub::Card;

use crate::records::check_licence;

/// What data says of its licence.
#[derive(Debug, Clone, Default)]
pub(in crate::cli) struct Licence {
    /// SPDX expression, where it is known.
    pub spdx: Option<String>,
    /// As it stands in the card.
    written: Option<String>,
}

impl Licence {
    /// What a card says.
    pub(in crate::cli) fn of_card(card: &Card) -> Self {
        let spdx = card.licence.clone().filter(|licence| check_licence(licence).is_ok());
        Self { spdx, written: card.licence_as_written.clone() }
    }

    /// The licence that was said on the command line, or else the data's own.
    pub(in crate::cli) fn or_said(self, said: Option<String>) -> Self {
        match said {
            Some(said) => Self { written: Some(said.clone()), spdx: Some(said) },
            None => self,
        }
    }

    /// Why data under this licence cannot be given under `datanet`'s, if so.
    pub(in crate::cli) fn refusal(&self, datanet: &str) -> Option<String> {
        // Nothing of a stranger's stands in what is pasted into a shell, unless it is plainly a licence.
        let say_so =
            if check_licence(datanet).is_ok() { format!("--licence '{datanet}'") } else { "--licence".to_owned() };
        let way_on = format!("if you may give it under the datanet's licence, say so with {say_so}");
        match (&self.spdx, &self.written) {
            (Some(spdx), _) if spdx.eq_ignore_ascii_case(datanet) => None,
            (Some(spdx), _) => {
                Some(format!("the data is under {spdx}, and the datanet's records under {datanet}; {way_on}"))
            }
            (None, Some(written)) => {
                Some(format!("the card's licence is {written:?}, which says not whether {datanet} is meant; {way_on}"))
            }
            (None, None) => None,
        }
    }

    /// The licence for a datanet made of this data.
    pub(in crate::cli) fn for_datanet(&self) -> Result<Option<String>, String> {
        match (&self.spdx, &self.written) {
            (Some(spdx), _) => Ok(Some(spdx.clone())),
            (None, Some(written)) => {
                Err(format!("the card's licence {written:?} is no SPDX expression; name it with --licence"))
            }
            (None, None) => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_under_another_licence_is_given_only_by_who_says_that_he_may() {
        let of = |spdx: Option<&str>, written: Option<&str>| Licence {
            spdx: spdx.map(str::to_owned),
            written: written.map(str::to_owned),
        };
        assert_eq!(of(None, None).refusal("CC-BY-4.0"), None);
        assert_eq!(of(Some("cc-by-4.0"), None).refusal("CC-BY-4.0"), None);
        let other = of(Some("CC-BY-NC-4.0"), Some("cc-by-nc-4.0"));
        assert!(other.refusal("CC-BY-4.0").unwrap().contains("--licence 'CC-BY-4.0'"));
        assert!(of(None, Some("unknown")).refusal("CC-BY-4.0").unwrap().contains("\"unknown\""));
        assert_eq!(other.or_said(Some("CC-BY-4.0".to_owned())).refusal("CC-BY-4.0"), None);
    }
}
