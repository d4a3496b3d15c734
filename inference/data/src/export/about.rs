//! What a folder of a data set says about itself.

use super::Column;

/// A datanet's records, exported.
#[derive(Debug, Clone)]
pub struct About {
    /// The datanet's name.
    pub name: String,
    /// Its id, hex.
    pub id: String,
    /// What its owner says of it.
    pub description: String,
    /// SPDX expression.
    pub licence: String,
    /// The address that opened it.
    pub creator: String,
    /// The chain that it is on.
    pub chain: String,
    /// The height at which these were its records.
    pub height: u64,
    /// The day of the export, `2026-01-31`.
    pub date: String,
    /// The columns of the files.
    pub columns: Vec<Column>,
    /// Its splits, `train` first.
    pub splits: Vec<Split>,
    /// What the records of `train` were given in.
    pub contributions: Vec<Contribution>,
}

/// A split and its files.
#[derive(Debug, Clone)]
pub struct Split {
    /// `train` or `test`.
    pub name: &'static str,
    /// Records in it.
    pub records: u64,
    /// Its files, in order.
    pub files: Vec<File>,
}

/// A file.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path in the folder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Hex.
    pub sha256: String,
}

/// A contribution whose records are there.
#[derive(Debug, Clone)]
pub struct Contribution {
    /// Its id, hex.
    pub id: String,
    /// Who gave it.
    pub contributor: String,
    /// Records.
    pub records: u64,
    /// Merkle root over them, hex.
    pub record_root: String,
    /// Height from which it is final.
    pub final_height: u64,
}

impl About {
    /// Records of all splits.
    pub(super) fn records(&self) -> u64 {
        self.splits.iter().map(|split| split.records).sum()
    }

    /// The addresses that gave something, each once, with how many records.
    pub(super) fn contributors(&self) -> Vec<(&str, u64)> {
        let mut found = std::collections::BTreeMap::<&str, u64>::new();
        self.contributions.iter().for_each(|one| *found.entry(&one.contributor).or_default() += one.records);
        let mut found: Vec<_> = found.into_iter().collect();
        found.sort_by_key(|(_, records)| std::cmp::Reverse(*records));
        found
    }

    /// How to cite it, in BibTeX.
    pub(super) fn citation(&self) -> String {
        format!(
            "@misc{{datanet-{name}-{height},\n  title = {{{name}: records of the datanet {id}}},\n  author = {{{} contributors}},\n  year = {{{}}},\n  note = {{Datanet chain {}, height {height}}}\n}}",
            self.contributors().len(),
            self.date.get(..4).unwrap_or_default(),
            self.chain,
            name = self.name,
            id = self.id,
            height = self.height,
        )
    }
}
