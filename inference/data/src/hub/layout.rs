//! Which files are which split where the card does not say, by the rules of the `datasets` library: files written in
//! shards under `data/`, else splits named by folders, else by file names, else everything is for training.

use super::files::{Files, format_of};

/// A split, and by which words files say that they are of it.
const SPLITS: [(&str, &[&str]); 3] = [
    ("train", &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// What parts words in names.
const SEPARATORS: &[char] = &['-', '.', '_', ' ', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'];

/// Files about data sets that are no data.
const NO_DATA: [&str; 8] = [
    "config.json",
    "croissant.json",
    "dataset_dict.json",
    "dataset_info.json",
    "dataset_infos.json",
    "metadata.json",
    "package.json",
    "state.json",
];

/// The splits under `base`, a path that ends in a slash or is empty, with the names of their files.
pub(super) fn splits(files: &Files, base: &str) -> Vec<(String, Vec<String>)> {
    let all: Vec<&str> =
        files.names().filter_map(|name| name.strip_prefix(base)).filter(|name| is_data(name)).collect();
    // Texts are data where there is nothing else: a list of requirements or a licence is none.
    let tables: Vec<&str> = all.iter().copied().filter(|name| !is_text(name)).collect();
    let data = if tables.is_empty() { all } else { tables };
    let full = |names: Vec<&str>| names.into_iter().map(|name| format!("{base}{name}")).collect::<Vec<_>>();
    let sharded = sharded(&data);
    if !sharded.is_empty() {
        return sharded.into_iter().map(|(split, names)| (split, full(names))).collect();
    }
    for part in [in_folders, in_file_name] {
        let found = SPLITS.map(|(split, words)| {
            let names = data.iter().copied().filter(|name| words.iter().any(|word| part(name, word)));
            (split.to_owned(), full(names.collect()))
        });
        let found: Vec<_> = found.into_iter().filter(|(_, names)| !names.is_empty()).collect();
        if !found.is_empty() {
            return found;
        }
    }
    if data.is_empty() { Vec::new() } else { vec![("train".to_owned(), full(data))] }
}

/// `data/SPLIT-00000-of-00001.parquet`, for splits of any name.
fn sharded<'a>(data: &[&'a str]) -> Vec<(String, Vec<&'a str>)> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for name in data {
        let Some(split) = shard_of(name) else { continue };
        match found.iter_mut().find(|(known, _)| known == split) {
            Some((_, names)) => names.push(name),
            None => found.push((split.to_owned(), vec![name])),
        }
    }
    let place = |split: &str| SPLITS.iter().position(|(known, _)| *known == split).unwrap_or(SPLITS.len());
    found.sort_by_key(|(split, _)| place(split));
    found
}

fn shard_of(name: &str) -> Option<&str> {
    let stem = name.strip_prefix("data/").filter(|file| !file.contains('/'))?;
    let (stem, _) = stem.split_once('.')?;
    let (before, of) = stem.rsplit_once("-of-")?;
    let (split, number) = before.rsplit_once('-')?;
    let is_five = |text: &str| text.len() >= 5 && text.as_bytes()[..5].iter().all(u8::is_ascii_digit);
    (number.len() == 5 && is_five(number) && is_five(of) && !split.is_empty()).then_some(split)
}

fn in_folders(name: &str, word: &str) -> bool {
    let mut parts = name.split('/');
    parts.next_back();
    parts.any(|folder| says(folder, word))
}

fn in_file_name(name: &str, word: &str) -> bool {
    name.rsplit('/').next().is_some_and(|file| says(file, word))
}

/// Whether a word stands in a name by itself.
fn says(name: &str, word: &str) -> bool {
    name.match_indices(word).any(|(at, _)| {
        let (before, after) = (&name[..at], &name[at + word.len()..]);
        (before.is_empty() || before.ends_with(SEPARATORS)) && (after.is_empty() || after.starts_with(SEPARATORS))
    })
}

fn is_data(name: &str) -> bool {
    let file = name.rsplit('/').next().unwrap_or(name);
    let is_about = NO_DATA.contains(&file)
        || ["license", "licence", "readme", "requirements"]
            .iter()
            .any(|about| file.to_ascii_lowercase().starts_with(about));
    !is_about && format_of(name).is_some_and(|format| format != datanet_types::record::Format::Markdown)
}

fn is_text(name: &str) -> bool {
    format_of(name) == Some(datanet_types::record::Format::Text)
}
