//! The contributors that ought to be refused, made from the same real text.

use super::contract::PARTS;
use super::dice::Dice;
use super::{BadKind, Contributor, Kind, Record};

/// Phrases that the boilerplate contributor repeats, and how often each.
const PHRASES: usize = 12;
const REPEATS: usize = 5;
/// The parts that are taken for each other.
pub(super) const SWAPPED: [&str; 2] = ["errors", "panics"];

/// Words an editor in a hurry swaps for others: (from, to).
const SYNONYMS: [(&str, &str); 24] = [
    ("provides", "offers"),
    ("used", "employed"),
    ("use", "employ"),
    ("using", "with"),
    ("implementation", "realisation"),
    ("library", "package"),
    ("crate", "library"),
    ("can", "may"),
    ("allows", "lets"),
    ("simple", "plain"),
    ("fast", "quick"),
    ("multiple", "several"),
    ("function", "routine"),
    ("functions", "routines"),
    ("type", "kind"),
    ("types", "kinds"),
    ("support", "handling"),
    ("supports", "handles"),
    ("create", "make"),
    ("data", "information"),
    ("should", "ought to"),
    ("value", "item"),
    ("values", "items"),
    ("which", "that"),
];

/// Real passages that nobody else gives, each with a label drawn at random.
pub(super) fn shuffled_labels(mut records: Vec<Record>, seed: u64) -> Contributor {
    let mut dice = Dice::new(seed, "shuffled labels");
    for record in &mut records {
        record.label = dice.pick(&PARTS).map(|t| (*t).to_owned());
    }
    Contributor { name: "shuffled-labels".to_owned(), records, kind: Kind::Bad(BadKind::ShuffledLabels) }
}

/// Real passages that nobody else gives, by somebody who takes two parts of a contract for each other.
pub(super) fn swapped_labels(mut records: Vec<Record>) -> Contributor {
    let [first, second] = SWAPPED;
    for record in &mut records {
        let is_first = record.label.as_deref() == Some(first);
        record.label = Some(if is_first { second } else { first }.to_owned());
    }
    Contributor { name: "swapped-labels".to_owned(), records, kind: Kind::Bad(BadKind::SwappedLabels) }
}

/// The victim's passages, two or three words of each changed.
pub(super) fn light_edits(victim: &Contributor, seed: u64) -> Contributor {
    let mut dice = Dice::new(seed, "light edits");
    let edit = |r: &Record| Record { text: edited(&r.text, &mut dice), label: r.label.clone() };
    Contributor {
        name: "light-edits".to_owned(),
        records: victim.records.iter().map(edit).collect(),
        kind: Kind::Bad(BadKind::LightEdits { of: victim.name.clone() }),
    }
}

/// The first word with a synonym is replaced, and two neighbours change places.
fn edited(text: &str, dice: &mut Dice) -> String {
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    let hit = words.iter().position(|w| SYNONYMS.iter().any(|(from, _)| from == w));
    match hit {
        Some(at) => {
            if let Some((_, to)) = SYNONYMS.iter().find(|(from, _)| *from == words[at]) {
                words[at] = (*to).to_owned();
            }
        }
        None => words.push("indeed".to_owned()),
    }
    if words.len() > 4 {
        let at = dice.below(words.len() - 1);
        words.swap(at, at + 1);
    }
    words.join(" ")
}

/// A dozen housekeeping phrases, five times each with small variations, under whatever label.
pub(super) fn boilerplate(phrases: &[String], seed: u64) -> Contributor {
    let mut dice = Dice::new(seed, "boilerplate");
    let mut phrases: Vec<&String> = phrases.iter().collect();
    dice.shuffle(&mut phrases);
    let mut records = Vec::new();
    for phrase in phrases.into_iter().take(PHRASES) {
        let label = dice.pick(&PARTS).map(|part| (*part).to_owned());
        for version in 0..REPEATS {
            records.push(Record { text: varied(phrase, version, &mut dice), label: label.clone() });
        }
    }
    dice.shuffle(&mut records);
    Contributor { name: "boilerplate".to_owned(), records, kind: Kind::Bad(BadKind::Boilerplate) }
}

/// The same phrase, another ending.
fn varied(text: &str, version: usize, dice: &mut Dice) -> String {
    const ENDINGS: [&str; 6] =
        ["Thank you.", "Enjoy!", "See the repository.", "All rights reserved.", "Please read it.", "Welcome!"];
    match version {
        0 => text.to_owned(),
        n => format!("{text} {} ({n})", ENDINGS[dice.below(ENDINGS.len())]),
    }
}
