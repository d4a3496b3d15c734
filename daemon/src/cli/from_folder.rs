//! Opening a datanet for a data set that somebody has: what its card says becomes schema, licence, description, and its
//! split for tests the held-out set.

use std::path::Path;

use anyhow::{Context, Result, bail};
use datanet_data::corpus::{Columns, PROVENANCE};
use datanet_data::hub::{Config, Feature, FeatureKind, Folder, Split};
use datanet_types::schema::{Field, FieldKind, FieldRole, Schema};

use super::given::{GivenFile, Licence, Lines, open_folder, with_classes};

/// Longest held-out set, in bytes of a request: what the interface takes at most, with room for the rest.
const MAX_HELD_OUT: usize = 3_900_000;

/// A data set to open a datanet for.
pub(super) struct FromFolder {
    folder: Folder,
    config: Config,
    columns: Columns,
    /// What was taken, in words.
    pub said: Vec<String>,
}

impl FromFolder {
    pub(super) fn open(path: &Path, config: Option<&str>, columns: Columns) -> Result<Self> {
        let (folder, config) = open_folder(path, config)?;
        let columns = with_classes(columns, &config.features);
        Ok(Self { folder, config, columns, said: Vec::new() })
    }

    /// The licence, if the card has one.
    pub(super) fn licence(&mut self) -> Result<Option<String>> {
        let licence = Licence::of_card(self.folder.card()).for_datanet().map_err(anyhow::Error::msg)?;
        self.said.extend(licence.as_ref().map(|licence| format!("licence {licence}, from the card")));
        Ok(licence)
    }

    /// What the card says it is about.
    pub(super) fn description(&self) -> Option<String> {
        let card = self.folder.card();
        card.description.clone().or_else(|| card.pretty_name.clone())
    }

    /// The fields that the card's columns make.
    pub(super) fn schema(&mut self) -> Result<Schema> {
        if self.config.features.is_empty() {
            bail!(
                "the card does not describe the columns (dataset_info); name the classes with --labels, or all fields with \
                 --schema"
            );
        }
        let schema = schema_of(&self.config.features, &self.columns)?;
        self.said.extend(schema.fields.iter().map(|field| {
            let role = match field.field_role() {
                Some(FieldRole::Text) => "the text",
                Some(FieldRole::Label) => "the label",
                _ => "data",
            };
            let classes = match field.allowed.len() {
                0 => String::new(),
                classes => format!(", one of {classes} classes"),
            };
            let column = self.columns.column_of(&field.name);
            let from = if column == field.name { String::new() } else { format!(", from the column {column:?}") };
            format!("field {:?}: {role}{classes}{from}", field.name)
        }));
        Ok(schema)
    }

    /// The split `wanted`, else `test`, else `validation`, as JSONL of `schema`.
    pub(super) fn held_out(&mut self, wanted: Option<&str>, schema: &Schema) -> Result<String> {
        let split = match wanted {
            Some(wanted) => self.config.split(wanted)?,
            None => self.config.split("test").or_else(|_| self.config.split("validation")).with_context(
                || "no split for a held-out set; name one with --holdout-split, or a file with --holdout",
            )?,
        };
        let lines = || Lines::new(files_of(split), self.columns.clone(), schema.clone());
        let (mut records, mut bytes) = (0usize, 0usize);
        let mut counted = lines();
        while let Some(record) = counted.next_record().with_context(|| hint(split))? {
            records += 1;
            bytes += sent(&record);
        }
        // Every so many, so that what is taken is like the whole.
        let every = bytes.div_ceil(MAX_HELD_OUT).max(1);
        let (mut held_out, mut taken, mut at, mut read) = (String::new(), 0usize, 0usize, lines());
        while let Some(record) = read.next_record()? {
            if at % every == 0 {
                held_out.push_str(&record);
                held_out.push('\n');
                taken += 1;
            }
            at += 1;
        }
        let which = match every {
            1 => String::new(),
            _ => format!(" of {records}, one in {every}: more than the interface takes at once"),
        };
        let name = &split.name;
        self.said.push(format!("held-out set: {taken} records{which}, from the split {name:?}"));
        Ok(held_out)
    }
}

fn files_of(split: &Split) -> Vec<GivenFile> {
    split.files.iter().map(GivenFile::of_split).collect()
}

/// Bytes that a record takes in a request: it stands there as a text in JSON.
fn sent(record: &str) -> usize {
    record.len() + record.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count() + 2
}

fn hint(split: &Split) -> String {
    format!(
        "the split {:?} is no held-out set; name another with --holdout-split, or a file with --holdout",
        split.name
    )
}

/// A schema out of columns: one of them the text, at most one the label, the others data.
fn schema_of(features: &[Feature], columns: &Columns) -> Result<Schema> {
    // What an export has added is no data of the records.
    let is_kept = |feature: &&Feature| !columns.leaves_out(&feature.name) && !feature.name.starts_with(PROVENANCE);
    let mut kept: Vec<&Feature> = features.iter().filter(is_kept).collect();
    if columns.leaves_out_others() {
        kept.retain(|feature| !matches!(feature.kind, FeatureKind::Other(_)));
    }
    let nested = kept.iter().filter(|feature| matches!(feature.kind, FeatureKind::Other(_)));
    let nested: Vec<String> = nested.map(|feature| format!("--ignore {}", in_shell(&feature.name))).collect();
    if !nested.is_empty() {
        bail!("some columns hold what no field takes (dates, lists, images); leave them out: {}", nested.join(" "));
    }
    let is_text = |feature: &&Feature| matches!(feature.kind, FeatureKind::Plain(FieldKind::String));
    let has_classes = |feature: &&Feature| matches!(feature.kind, FeatureKind::Classes(_));
    let text = chosen(&kept, columns.column_of("text"), is_text).map_err(|there| match there.as_str() {
        "" => anyhow::anyhow!("no column holds text; a datanet's records have one"),
        there => anyhow::anyhow!("several columns may be the text ({there}); name it: --map text=COLUMN"),
    })?;
    let label = match chosen(&kept, columns.column_of("label"), has_classes) {
        Ok(label) => Some(label),
        Err(there) if there.is_empty() => None,
        Err(there) => bail!("several columns may be the label ({there}); name it: --map label=COLUMN"),
    };
    if columns.leaves_out_others() {
        kept.retain(|feature| feature.name == text || Some(feature.name.as_str()) == label);
    }
    let fields = kept.iter().map(|feature| Field {
        name: field_name(feature, columns, text, label).to_owned(),
        kind: match feature.kind {
            FeatureKind::Plain(kind) => kind,
            _ => FieldKind::String,
        } as i32,
        role: if feature.name == text {
            FieldRole::Text
        } else if Some(feature.name.as_str()) == label {
            FieldRole::Label
        } else {
            FieldRole::Data
        } as i32,
        required: feature.name == text || Some(feature.name.as_str()) == label,
        max_bytes: 0,
        allowed: match &feature.kind {
            FeatureKind::Classes(names) => names.clone(),
            _ => Vec::new(),
        },
    });
    let schema = Schema { fields: fields.collect() };
    schema.validate().context("the card's columns make no schema; map or leave out those that are in the way")?;
    Ok(schema)
}

/// A stranger's word as one word of a shell.
fn in_shell(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The column called `name`, or the only one that `fits`; else the names of those that do.
fn chosen<'a>(kept: &[&'a Feature], name: &str, fits: impl Fn(&&'a Feature) -> bool) -> Result<&'a str, String> {
    if let Some(named) = kept.iter().find(|feature| feature.name == name) {
        return Ok(&named.name);
    }
    let fitting: Vec<&str> = kept.iter().copied().filter(fits).map(|feature| feature.name.as_str()).collect();
    match fitting.as_slice() {
        [only] => Ok(only),
        several => Err(several.join(", ")),
    }
}

/// What a column is called as a field: as it was mapped, else as it is.
fn field_name<'a>(feature: &'a Feature, columns: &Columns, text: &str, label: Option<&str>) -> &'a str {
    let is = |field: &str, column: &str| feature.name == column && columns.column_of(field) == column;
    if is("text", text) {
        "text"
    } else if label.is_some_and(|label| is("label", label)) {
        "label"
    } else {
        &feature.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(name: &str, kind: FieldKind) -> Feature {
        Feature { name: name.to_owned(), kind: FeatureKind::Plain(kind) }
    }

    fn classes(name: &str) -> Feature {
        Feature { name: name.to_owned(), kind: FeatureKind::Classes(vec!["no".into(), "yes".into()]) }
    }

    fn fields(features: &[Feature], map: &[&str], ignore: &[&str]) -> Result<Vec<(String, FieldRole, bool)>> {
        let columns = Columns::read(map.iter().copied(), ignore.iter().copied()).unwrap();
        let schema = schema_of(features, &columns)?;
        let all = schema.fields.into_iter();
        Ok(all.map(|field| (field.name.clone(), field.field_role().unwrap(), field.required)).collect())
    }

    #[test]
    fn columns_become_fields_with_their_roles() {
        let glue = [plain("sentence", FieldKind::String), classes("class"), plain("idx", FieldKind::Integer)];
        let text = ("sentence".to_owned(), FieldRole::Text, true);
        let label = ("class".to_owned(), FieldRole::Label, true);
        assert_eq!(fields(&glue, &[], &["idx"]).unwrap(), [text, label]);
        let mapped = fields(&glue, &["text=sentence", "label=class"], &[]).unwrap();
        let names: Vec<&str> = mapped.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["text", "label", "idx"]);
        assert_eq!(mapped[2].1, FieldRole::Data);
        let others = [&glue[..], &[plain("_datanet_hash", FieldKind::String)]].concat();
        assert_eq!(fields(&others, &[], &[]).unwrap().len(), 3, "what an export has added is no field");
        assert_eq!(fields(&others, &[], &["*"]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_clear_is_asked_for() {
        let said = |features: &[Feature]| fields(features, &[], &[]).unwrap_err().to_string();
        let two = [plain("a", FieldKind::String), plain("b", FieldKind::String)];
        assert!(said(&two).contains("(a, b); name it: --map text=COLUMN"));
        assert!(said(&[plain("n", FieldKind::Integer)]).contains("no column holds text"));
        let labels = [plain("text", FieldKind::String), classes("x"), classes("y")];
        assert!(said(&labels).contains("--map label=COLUMN"));
        let nested = Feature { name: "pixels".into(), kind: FeatureKind::Other("a sequence".into()) };
        assert!(said(&[plain("text", FieldKind::String), nested]).contains("--ignore 'pixels'"));
        assert_eq!(in_shell("a'; rm b"), "'a'\\''; rm b'");
    }
}
