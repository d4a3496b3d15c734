//! "Did you mean": the name that is closest to one that nobody has.

use strsim::damerau_levenshtein;

/// The closest of `names`, if it is close enough to be what was meant: a third of the letters may be wrong.
pub(super) fn nearest<'a>(typed: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = (typed.chars().count() / 3).max(1);
    let lower = typed.to_lowercase();
    let near = names.into_iter().map(|name| (damerau_levenshtein(&lower, &name.to_lowercase()), name));
    near.filter(|(distance, _)| *distance <= far).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_told_from_another_word() {
        let names = ["birds", "bird-songs", "Owls", "weather"];
        for (typed, meant) in [("brids", "birds"), ("bird", "birds"), ("owls", "Owls"), ("weathers", "weather")] {
            assert_eq!(nearest(typed, names), Some(meant), "{typed}");
        }
        for typed in ["ducks", "x", "", "songs"] {
            assert_eq!(nearest(typed, names), None, "{typed}");
        }
    }
}
