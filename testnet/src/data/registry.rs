//! The crates that this very binary was built from, as cargo keeps them on disk, and the passages in them.
//!
//! Only packages of the workspace's `Cargo.lock` count, at exactly the locked version: whatever else a machine's
//! registry holds, everybody gets the same data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use walkdir::WalkDir;

use super::{contract, prose};

/// The lock file of this build.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// Most source files of a crate that are read, the crate root first.
const MAX_SOURCES: usize = 400;
/// Most sentences of one label taken from one crate: a manual-sized crate must not stand for all.
const MAX_OF_A_PART: usize = 40;
/// Crates for one operating system or the web alone: cargo fetches them there, or not, and everybody shall get the same data.
const PLATFORMS: [&str; 20] = [
    "android",
    "apple",
    "block2",
    "core-foundation",
    "dispatch",
    "fsevent",
    "hermit",
    "inotify",
    "ios",
    "jni",
    "js-sys",
    "mach",
    "ndk",
    "objc",
    "redox",
    "security-framework",
    "system-configuration",
    "wasi",
    "wasm",
    "win",
];

/// One sentence of a crate's documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Name of the crate.
    pub krate: String,
    /// Who publishes it: the account in its repository's URL, lower case.
    pub owner: String,
    /// Index into [`contract::PARTS`].
    pub part: usize,
    /// The sentence.
    pub text: String,
}

/// What the registry gives.
#[derive(Debug, Default)]
pub struct Harvest {
    /// Sentences in the order of crate names; each once.
    pub passages: Vec<Passage>,
    /// Housekeeping paragraphs (licence, contributing, badges) of the same crates.
    pub boilerplate: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    source: Option<String>,
}

#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    repository: Option<String>,
    homepage: Option<String>,
}

/// Reads the passages of every locked crate that cargo has unpacked.
///
/// # Errors
/// When cargo's home cannot be found, holds none of the crates, or a file cannot be read.
pub(super) fn harvest() -> Result<Harvest> {
    harvest_in(&registry_sources()?)
}

/// `$CARGO_HOME/registry/src` (or under `~/.cargo`): the folders of unpacked crates, one a registry.
fn registry_sources() -> Result<Vec<PathBuf>> {
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => std::env::home_dir()
            .context("no home folder: set CARGO_HOME to where cargo keeps its registry")?
            .join(".cargo"),
    };
    let root = home.join("registry").join("src");
    let entries = std::fs::read_dir(&root).with_context(|| {
        format!(
            "no crates in {}: build the workspace with cargo first, or give your own data with --data",
            root.display()
        )
    })?;
    let mut folders: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
    folders.sort();
    Ok(folders)
}

fn harvest_in(registries: &[PathBuf]) -> Result<Harvest> {
    let lock: Lock = toml::from_str(LOCK).context("the workspace's Cargo.lock is not readable")?;
    let wanted: BTreeSet<(String, String)> =
        lock.package.into_iter().filter(|p| p.source.is_some()).map(|p| (p.name, p.version)).collect();
    let mut harvest = Harvest::default();
    let mut seen = BTreeSet::new();
    let mut found = BTreeMap::new();
    for (name, version) in wanted {
        let folder = format!("{name}-{version}");
        if let Some(path) = registries.iter().map(|r| r.join(&folder)).find(|p| p.is_dir()) {
            found.insert((name, version), path);
        }
    }
    if found.is_empty() {
        bail!(
            "cargo's registry holds none of this workspace's crates: build it with cargo first, or give your own data with --data"
        );
    }
    for path in found.values() {
        read_crate(path, &mut seen, &mut harvest)
            .with_context(|| format!("cannot read the crate in {}", path.display()))?;
    }
    Ok(harvest)
}

/// Adds the passages of one unpacked crate.
fn read_crate(path: &Path, seen: &mut BTreeSet<String>, harvest: &mut Harvest) -> Result<()> {
    let manifest: Manifest = toml::from_str(&std::fs::read_to_string(path.join("Cargo.toml"))?)?;
    let package = manifest.package;
    if PLATFORMS.iter().any(|platform| package.name.starts_with(platform)) {
        return Ok(());
    }
    for readme in read(readmes(path)?)? {
        let paragraphs = prose::paragraphs(&readme).into_iter();
        let housekeeping = paragraphs.filter(|paragraph| paragraph.split_whitespace().count() >= 6);
        harvest.boilerplate.extend(
            housekeeping.filter(|paragraph| prose::is_housekeeping(paragraph) && seen.insert(letters(paragraph))),
        );
    }
    let owner = owner_of(package.repository.as_deref().or(package.homepage.as_deref()), &package.name);
    let mut taken = [0_usize; contract::PARTS.len()];
    let comments = read(sources(path))?.into_iter().flat_map(|source| prose::doc_comments(&source));
    // Most comments have no heading, and parsing is what takes time.
    for statement in
        comments.filter(|comment| comment.contains("# ")).flat_map(|comment| contract::statements(&comment))
    {
        if taken[statement.part] < MAX_OF_A_PART && seen.insert(statement.fingerprint) {
            taken[statement.part] += 1;
            let (krate, owner) = (package.name.clone(), owner.clone());
            harvest.passages.push(Passage { krate, owner, part: statement.part, text: statement.text });
        }
    }
    Ok(())
}

fn readmes(path: &Path) -> Result<Vec<PathBuf>> {
    let is_readme = |p: &PathBuf| {
        p.is_file() && p.file_name().is_some_and(|n| n.to_string_lossy().to_lowercase().starts_with("readme"))
    };
    let mut readmes: Vec<PathBuf> =
        std::fs::read_dir(path)?.filter_map(|e| Some(e.ok()?.path())).filter(is_readme).collect();
    readmes.sort();
    Ok(readmes)
}

/// Source files, the crate root first.
fn sources(path: &Path) -> Vec<PathBuf> {
    let mut sources: Vec<PathBuf> = WalkDir::new(path.join("src"))
        .into_iter()
        .filter_map(|e| Some(e.ok()?.into_path()))
        .filter(|p| p.extension().is_some_and(|e| e == "rs"))
        .collect();
    sources.sort_by_key(|p| (!p.ends_with("src/lib.rs"), p.clone()));
    sources.truncate(MAX_SOURCES);
    sources
}

fn read(paths: Vec<PathBuf>) -> Result<Vec<String>> {
    let read = |path| Ok(String::from_utf8_lossy(&std::fs::read(path)?).into_owned());
    paths.into_iter().map(read).collect()
}

/// Two paragraphs with the same first letters are the same paragraph.
fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).take(80).collect()
}

/// The account in a repository's URL, or the crate itself where there is none.
fn owner_of(url: Option<&str>, krate: &str) -> String {
    let account = url.and_then(|url| {
        let (_, rest) = url.split_once("://")?;
        let mut parts = rest.trim_end_matches('/').split('/');
        let host = parts.next()?;
        let account = parts.next()?;
        parts.next()?;
        let forge = ["github", "gitlab", "codeberg", "sr.ht"].iter().any(|known| host.contains(known));
        (forge && !account.is_empty()).then(|| account.trim_start_matches('~').to_lowercase())
    });
    account.unwrap_or_else(|| format!("crate-{krate}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_is_the_account_in_the_url() {
        assert_eq!(owner_of(Some("https://github.com/RustCrypto/hashes"), "sha2"), "rustcrypto");
        assert_eq!(owner_of(Some("https://github.com/dtolnay/anyhow/"), "anyhow"), "dtolnay");
        assert_eq!(owner_of(Some("https://example.org/"), "thing"), "crate-thing");
        assert_eq!(owner_of(None, "thing"), "crate-thing");
    }

    #[test]
    fn a_crate_that_is_not_in_the_lock_file_is_not_read() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("no-such-crate-of-ours-9.9.9");
        std::fs::create_dir(&folder).unwrap();
        assert!(harvest_in(&[root.path().to_owned()]).is_err());
    }
}
