//! One spelling for what readers take for the same letter.

use unicode_normalization::IsNormalized;
use unicode_normalization::char::is_combining_mark;
use unicode_normalization::{UnicodeNormalization, is_nfkc_quick};

use super::script::drops_marks;

/// Calls `each` with the folded characters of one cluster: compatibility forms (NFKC) and case are gone, and so are
/// accents on letters of scripts that are found without them.
pub(super) fn fold(cluster: &str, mut each: impl FnMut(char)) {
    if is_nfkc_quick(cluster.chars()) == IsNormalized::Yes {
        cluster.chars().for_each(|c| without_case(c, &mut each));
    } else {
        cluster.nfkc().for_each(|c| without_case(c, &mut each));
    }
}

/// Lower, upper and lower again: so that ß, ẞ, ss and SS meet, and ς and σ.
fn without_case(c: char, each: &mut impl FnMut(char)) {
    let upper = c.to_lowercase().flat_map(char::to_uppercase);
    upper.flat_map(char::to_lowercase).for_each(|c| without_accents(c, each));
}

fn without_accents(c: char, each: &mut impl FnMut(char)) {
    if c.is_ascii() || !drops_marks(c) {
        return each(c);
    }
    match without_stroke(c) {
        "" => std::iter::once(c).nfd().filter(|c| !is_combining_mark(*c)).for_each(each),
        plain => plain.chars().for_each(each),
    }
}

/// Latin letters that Unicode does not take apart, as they are typed on keyboards without them.
fn without_stroke(c: char) -> &'static str {
    match c {
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'æ' => "ae",
        'œ' => "oe",
        'ħ' => "h",
        'ı' => "i",
        'ŧ' => "t",
        'ŋ' => "n",
        _ => "",
    }
}
