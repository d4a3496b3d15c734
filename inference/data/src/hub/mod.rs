//! A data set as Hugging Face lays it out: a folder with a card (`README.md`), and files of data by split.
//!
//! ```text
//! card.rs       what the card says: licence, description, configurations, features with the names of classes
//! layout.rs     which files are which split where the card says nothing, by the rules of the `datasets` library
//! pattern.rs    the patterns by which a card names files
//! licence.rs    its spellings of licences, and SPDX's
//! files.rs      the files that are there, and which of them may be read
//! ```
//!
//! Cards come from strangers: whatever they name is looked for in the folder alone.

mod card;
mod files;
mod layout;
mod licence;
mod pattern;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use datanet_types::record::Format;

pub use card::{Card, Feature, FeatureKind};
pub use licence::{from_hub as licence_from_hub, to_hub as licence_to_hub};

use card::DataFiles;
use files::Files;
use pattern::Pattern;

/// Why a folder cannot be read as a data set; each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// A file or folder that cannot be read.
    #[error("cannot read {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The card is not one.
    #[error("the card README.md {0}")]
    Card(String),
    /// A configuration that does not exist, or several where one is wanted.
    #[error("{0}")]
    Config(String),
    /// A split that does not exist.
    #[error("the data set has no split {wanted:?}; it has {there}")]
    Split {
        /// What was asked for.
        wanted: String,
        /// Those that there are.
        there: String,
    },
    /// Files that are not there, or must not be read.
    #[error("{0}")]
    Files(String),
}

/// Hands back what a read gave.
pub type HubResult<T> = Result<T, HubError>;

/// A folder with a data set.
#[derive(Debug)]
pub struct Folder {
    card: Card,
    files: Files,
}

/// One of the data sets of a folder.
#[derive(Debug)]
pub struct Config {
    /// Its name.
    pub name: String,
    /// Its splits, in the card's order.
    pub splits: Vec<Split>,
    /// Its columns, if the card describes them.
    pub features: Vec<Feature>,
}

/// A part of a data set.
#[derive(Debug)]
pub struct Split {
    /// Such as `train`.
    pub name: String,
    /// Its files, in the order of their names as far as one pattern names them.
    pub files: Vec<SplitFile>,
}

/// A file of data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SplitFile {
    /// Where it is, without symbolic links.
    pub path: PathBuf,
    /// Its path in the folder.
    pub name: String,
    /// What it is by its name.
    pub format: Format,
}

/// Folders in folders that are looked into where no card says what is data: `data/train/part-0.jsonl` lies in two.
const UNDESCRIBED_DEPTH: usize = 2;

impl Folder {
    /// Opens the folder at `path` and reads its card.
    ///
    /// # Errors
    /// [`HubError::Io`], and [`HubError::Card`] if there is a card that is none.
    pub fn open(path: &Path) -> HubResult<Self> {
        let files = Files::list(path)?;
        let card = match files.card()? {
            Some(text) => Card::read(&text)?,
            None => Card::default(),
        };
        Ok(Self { card, files })
    }

    /// What its card says; nothing where there is none.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The configuration called `wanted`; without a name the only one, or the one that is the default.
    ///
    /// # Errors
    /// [`HubError::Config`] if there is none of that name, or several of which none is the default, and
    /// [`HubError::Files`] for patterns that lead elsewhere or to nothing, and files that cannot be read here.
    pub fn config(&self, wanted: Option<&str>) -> HubResult<Config> {
        let Some(entry) = self.card.config(wanted)? else {
            return self.assemble(wanted.unwrap_or("default"), &DataFiles::default(), "");
        };
        self.assemble(&entry.name, &entry.data_files, &entry.data_dir)
    }

    fn assemble(&self, name: &str, data: &DataFiles, dir: &str) -> HubResult<Config> {
        let base = pattern::folder(dir)?;
        let splits = match data {
            DataFiles::ByRule => self.near(layout::splits(&self.files, &base))?,
            DataFiles::Named(splits) => {
                let named = splits.iter().map(|(split, patterns)| Ok((split.clone(), self.matching(&base, patterns)?)));
                named.collect::<HubResult<Vec<_>>>()?
            }
        };
        if splits.is_empty() {
            return Err(HubError::Files(self.files.nothing_here(&base)));
        }
        let splits = splits.into_iter().map(|(name, files)| self.split(name, &files)).collect::<HubResult<_>>()?;
        Ok(Config { name: name.to_owned(), splits, features: self.card.features(name) })
    }

    /// Refuses files that lie deep in a folder without a card: it may be somebody's home, and who gives that means something else.
    fn near(&self, splits: Vec<(String, Vec<String>)>) -> HubResult<Vec<(String, Vec<String>)>> {
        let deep = |file: &&String| file.matches('/').count() > UNDESCRIBED_DEPTH;
        match splits.iter().flat_map(|(_, files)| files).find(deep).filter(|_| !self.files.has_card()) {
            None => Ok(splits),
            Some(file) => Err(HubError::Files(format!(
                "the folder has no card (README.md), and {file} lies deep in it; name that file, the folder that it lies in, or add a card with data_files"
            ))),
        }
    }

    /// The files that patterns name, each once.
    fn matching(&self, base: &str, patterns: &[String]) -> HubResult<Vec<String>> {
        let mut found: Vec<String> = Vec::new();
        for text in patterns {
            let pattern = Pattern::read(base, text)?;
            let before = found.len();
            let fitting = self.files.names().filter(|name| pattern.fits(name));
            let new: Vec<String> = fitting.filter(|name| !found.contains(name)).cloned().collect();
            if new.is_empty() && found.len() == before && !self.files.names().any(|name| pattern.fits(name)) {
                return Err(HubError::Files(format!(
                    "the card names {text:?}, and no such file is in the folder; download it too"
                )));
            }
            found.extend(new);
        }
        Ok(found)
    }

    fn split(&self, name: String, files: &[String]) -> HubResult<Split> {
        let read: Vec<SplitFile> = files.iter().map(|file| self.files.open(file)).collect::<HubResult<_>>()?;
        let first = read.first().map(|file| file.format);
        if let Some(other) = read.iter().find(|file| Some(file.format) != first) {
            return Err(HubError::Files(format!(
                "the split {name:?} has files of several formats, {} and {}; name those that are meant in the card's \
                 data_files, or give one file alone",
                read[0].name, other.name
            )));
        }
        Ok(Split { name, files: read })
    }
}

impl Config {
    /// The split called `wanted`.
    ///
    /// # Errors
    /// [`HubError::Split`], which names those that there are.
    pub fn split(&self, wanted: &str) -> HubResult<&Split> {
        self.splits.iter().find(|split| split.name == wanted).ok_or_else(|| HubError::Split {
            wanted: wanted.to_owned(),
            there: list(self.splits.iter().map(|split| split.name.as_str())),
        })
    }
}

/// At most twelve names, so that a message stays readable.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let shown = names.iter().take(12).map(|name| format!("{:?}", crate::corpus::cut(name, 64)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}
