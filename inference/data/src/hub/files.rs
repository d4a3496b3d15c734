//! The files of a data set's folder, and which of them may be read.
//!
//! A folder that was downloaded may hold links to anything on this machine, and what is read is made public: a link is
//! followed only inside the folder, or to the blobs beside it in the cache of `huggingface_hub`, whose snapshots are
//! folders of links.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use datanet_types::record::Format;

use super::{HubError, HubResult, SplitFile};

/// Most files of a folder that are looked at.
const MAX_FILES: usize = 100_000;
/// Deepest folder in the folder.
const MAX_DEPTH: usize = 32;
/// Longest card.
const MAX_CARD: u64 = 8 << 20;

/// What is in a folder: the names of all files, and the places where they may really be.
#[derive(Debug)]
pub(super) struct Files {
    root: PathBuf,
    allowed: Vec<PathBuf>,
    /// Paths from the root, parted by slashes, sorted.
    names: Vec<String>,
}

impl Files {
    pub(super) fn list(path: &Path) -> HubResult<Self> {
        let root = path.canonicalize().map_err(|error| io(path, error))?;
        let mut names = Vec::new();
        walk(&root, "", 0, &mut names)?;
        names.sort();
        let mut allowed = vec![root.clone()];
        // …/datasets--OWNER--NAME/snapshots/REVISION, whose files are links into …/datasets--OWNER--NAME/blobs.
        if let Some(snapshots) = root.parent().filter(|parent| parent.file_name().is_some_and(|n| n == "snapshots")) {
            allowed.extend(snapshots.parent().and_then(|of| of.join("blobs").canonicalize().ok()));
        }
        Ok(Self { root, allowed, names })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.iter()
    }

    pub(super) fn has_card(&self) -> bool {
        self.names.iter().any(|name| name == "README.md")
    }

    /// The text of the card, if there is one.
    pub(super) fn card(&self) -> HubResult<Option<String>> {
        if !self.has_card() {
            return Ok(None);
        }
        let path = self.real("README.md")?;
        let file = File::open(&path).map_err(|error| io(&path, error))?;
        let mut text = Vec::new();
        file.take(MAX_CARD + 1).read_to_end(&mut text).map_err(|error| io(&path, error))?;
        if text.len() as u64 > MAX_CARD {
            return Err(HubError::Card(format!("is longer than {} MiB; shorten it", MAX_CARD >> 20)));
        }
        let text = String::from_utf8(text).map_err(|_| HubError::Card("is not UTF-8; save it as UTF-8".to_owned()))?;
        Ok(Some(text))
    }

    /// A file of data, where it really is.
    pub(super) fn open(&self, name: &str) -> HubResult<SplitFile> {
        let format = format_of(name).ok_or_else(|| HubError::Files(format!("{name} {}", unread(name))))?;
        Ok(SplitFile { path: self.real(name)?, name: name.to_owned(), format })
    }

    fn real(&self, name: &str) -> HubResult<PathBuf> {
        let named = self.root.join(name);
        let path = named.canonicalize().map_err(|error| io(&named, error))?;
        if !self.allowed.iter().any(|root| path.starts_with(root)) {
            return Err(HubError::Files(format!(
                "{name} is a link to {}, outside of the folder; put the file itself there",
                path.display()
            )));
        }
        // A pipe would be waited for.
        match path.metadata() {
            Ok(found) if found.is_file() => Ok(path),
            Ok(_) => Err(HubError::Files(format!("{name} is no plain file; remove it"))),
            Err(error) => Err(io(&named, error)),
        }
    }

    /// What to say where no file of data was found.
    pub(super) fn nothing_here(&self, base: &str) -> String {
        let at = if base.is_empty() { String::new() } else { format!(" under {base}") };
        let ends = |ending: &str| self.names.iter().any(|name| name.ends_with(ending));
        let hint = if ends(".arrow") {
            "it was written by save_to_disk: load it with load_from_disk and write to_parquet"
        } else if ends(".py") {
            "its script is not run: load it with the datasets library and write to_parquet"
        } else if ends(".zip") || ends(".tar.gz") || ends(".tar") {
            "unpack the archives in it"
        } else {
            "files of data end in .jsonl, .json, .csv, .tsv, .parquet or .txt, also with .gz"
        };
        format!("this is a folder, and no data is in it{at}; {hint}")
    }
}

/// What a file is by its name; `.json` of data sets is one object a line.
pub(super) fn format_of(name: &str) -> Option<Format> {
    let name = name.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    match Path::new(name).extension()?.to_str()? {
        "json" => Some(Format::Jsonl),
        ending => Format::from_extension(ending),
    }
}

fn unread(name: &str) -> &'static str {
    match Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "arrow" => "is an Arrow file; write it as Parquet (with the datasets library: to_parquet)",
        "zip" | "tar" | "tgz" | "zst" | "xz" | "bz2" => "is packed; unpack it and name what is in it",
        _ => "is of no format that is read; write it as JSONL, CSV or Parquet",
    }
}

/// All files under `dir`. Hidden ones are no data, and links to folders are not followed: they may lead in circles.
fn walk(dir: &Path, prefix: &str, depth: usize, names: &mut Vec<String>) -> HubResult<()> {
    for entry in dir.read_dir().map_err(|error| io(dir, error))? {
        let entry = entry.map_err(|error| io(dir, error))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let shown = entry.path();
            return Err(HubError::Files(format!("the name of {} is not UTF-8; rename it", shown.display())));
        };
        if name.starts_with('.') || name.starts_with("__") {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(|error| io(&entry.path(), error))?;
        if kind.is_dir() {
            if depth == MAX_DEPTH {
                return Err(HubError::Files(format!("{path} is nested too deeply; name the folder with the data")));
            }
            walk(&entry.path(), &format!("{path}/"), depth + 1, names)?;
        } else {
            names.push(path);
        }
        if names.len() > MAX_FILES {
            let reason = format!("more than {MAX_FILES} files are in the folder; name the one with the data set");
            return Err(HubError::Files(reason));
        }
    }
    Ok(())
}

fn io(path: &Path, source: std::io::Error) -> HubError {
    HubError::Io { path: path.to_owned(), source }
}
