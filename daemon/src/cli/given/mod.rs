//! What data commands are given: a file, standard input, or a folder with a data set as Hugging Face lays it out.

mod licence;
mod lines;
mod source;

pub(super) use licence::Licence;
pub(super) use lines::Lines;
pub(super) use source::{GivenFile, body};

use std::path::Path;

use anyhow::{Context, Result, bail};
use datanet_data::corpus::Columns;
use datanet_data::hub::{Config, Feature, FeatureKind, Folder};
use datanet_types::record::Format;

use super::args::{ColumnArgs, FormatArg};

/// Data to give, not yet read.
pub(super) struct Given {
    /// Its files, in order.
    pub files: Vec<GivenFile>,
    /// Which columns are which fields.
    pub columns: Columns,
    /// What it says of its licence.
    pub licence: Licence,
    /// What of a folder was taken, in words.
    pub taken: Option<String>,
}

/// How data is named on the command line.
pub(super) struct Named<'a> {
    pub path: &'a Path,
    pub format: Option<FormatArg>,
    pub config: Option<&'a str>,
    pub split: Option<&'a str>,
    pub columns: &'a ColumnArgs,
}

impl Given {
    /// Finds what is named, and reads the card of a folder.
    pub(super) fn open(named: &Named<'_>) -> Result<Self> {
        let columns = columns_of(named.columns)?;
        if named.path.is_dir() {
            return Self::of_folder(named, columns);
        }
        if let Some(option) = [("--config", named.config), ("--split", named.split)].iter().find(|(_, of)| of.is_some())
        {
            bail!("{} chooses from a folder with a data set; {} is a file", option.0, named.path.display());
        }
        let format = named.format.map(FormatArg::format);
        let file = if named.path == Path::new("-") {
            let formats = "jsonl, csv, parquet, markdown or text";
            GivenFile::stdin(format.with_context(|| format!("say what standard input is: --format {formats}"))?)
        } else {
            GivenFile::at(named.path, format)?
        };
        Ok(Self { files: vec![file], columns, licence: Licence::default(), taken: None })
    }

    fn of_folder(named: &Named<'_>, columns: Columns) -> Result<Self> {
        if named.format.is_some() {
            bail!("--format is for one file or standard input; those of a folder end in what they are");
        }
        let (folder, config) = open_folder(named.path, named.config)?;
        let split = config.split(named.split.unwrap_or("train"))?;
        let files: Vec<GivenFile> = split.files.iter().map(GivenFile::of_split).collect();
        let named = files.iter().take(NAMED_FILES).map(|file| file.name.as_str()).collect::<Vec<_>>().join(", ");
        let count = match files.len() {
            1 => named,
            count if count <= NAMED_FILES => format!("{count} files: {named}"),
            count => format!("{count} files: {named}, …"),
        };
        Ok(Self {
            taken: Some(format!("the split {:?} of the configuration {:?}, {count}", split.name, config.name)),
            columns: with_classes(columns, &config.features),
            licence: Licence::of_card(folder.card()),
            files,
        })
    }

    /// The one file that can be sent as it is.
    pub(super) fn as_it_is(&self) -> Option<&GivenFile> {
        match self.files.as_slice() {
            [one] if self.columns.is_plain() && self.taken.is_none() => Some(one),
            _ => None,
        }
    }
}

/// Files of a folder that are named, of more than that the first.
const NAMED_FILES: usize = 4;

/// Opens a folder and chooses one of its configurations.
pub(super) fn open_folder(path: &Path, config: Option<&str>) -> Result<(Folder, Config)> {
    let folder = Folder::open(path)?;
    let config = folder.config(config)?;
    Ok((folder, config))
}

/// What `--map` and `--ignore` say.
pub(super) fn columns_of(args: &ColumnArgs) -> Result<Columns> {
    Ok(Columns::read(args.map.iter().map(String::as_str), args.ignore.iter().map(String::as_str))?)
}

/// The names behind the numbers of classes, as a card gives them.
pub(super) fn with_classes(columns: Columns, features: &[Feature]) -> Columns {
    features.iter().fold(columns, |columns, feature| match &feature.kind {
        FeatureKind::Classes(names) => columns.with_classes(&feature.name, names.clone()),
        _ => columns,
    })
}

/// The format that a file's name says, whatever it is packed in; what it certainly is not is told before anything is
/// sent.
fn format_of(path: &Path) -> Result<Format> {
    let shown = path.display();
    let inner =
        path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz")).then(|| path.with_extension(""));
    let named = inner.as_deref().unwrap_or(path);
    let extension = named.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    Format::from_extension(extension).with_context(|| match extension.to_ascii_lowercase().as_str() {
        "xlsx" | "xls" | "ods" => format!("{shown} is a spreadsheet; save the sheet as CSV UTF-8 and give that"),
        "zip" | "zst" | "bz2" | "xz" | "tar" => format!("{shown} is packed; unpack it and give what is in it"),
        "json" => format!("{shown}: write one object a line (jq -c '.[]' does it) and end the name in .jsonl"),
        _ => format!(
            "{shown}: the name must end in .jsonl, .csv, .tsv, .parquet, .md or .txt, also with .gz; or say what it is \
             with --format"
        ),
    })
}
