//! Material: records in folders and on hosts that the owner named. What is in them was written by strangers; here it becomes records of a
//! schema or nothing.

mod folder;

use std::io::Cursor;
use std::path::PathBuf;

use datanet_data::corpus::{CorpusError, Limits, Record, media, read_records};
use datanet_types::record::Format;
use datanet_types::schema::Schema;

use super::spec::MaterialSpec;
use super::web::Fetcher;

/// Records read of one source.
const MAX_RECORDS: u64 = 20_000;

/// Where a record was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The file or the address.
    pub source: String,
    /// Its place there, from 0.
    pub place: u64,
    /// The record.
    pub record: Record,
}

/// A source that gave nothing, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The file or the address.
    pub source: String,
    /// Why.
    pub why: String,
}

/// What was found, and what was passed over.
#[derive(Debug, Default)]
pub struct Material {
    /// Records that fit the schema.
    pub found: Vec<Found>,
    /// Sources that gave none.
    pub skipped: Vec<Skipped>,
}

/// Looks through folders and feeds.
#[derive(Debug, Clone)]
pub struct Feeds {
    folders: Vec<PathBuf>,
    urls: Vec<String>,
    fetcher: Fetcher,
    max_bytes: u64,
}

impl Feeds {
    /// Of what a spec names.
    pub fn new(spec: &MaterialSpec) -> Self {
        Self {
            folders: spec.folders.clone(),
            urls: spec.feeds.iter().map(|feed| feed.url.clone()).collect(),
            fetcher: Fetcher::new(spec.hosts.clone(), spec.max_bytes()),
            max_bytes: spec.max_bytes(),
        }
    }

    /// Everything in them that fits `schema`. A source that cannot be read is told, and the others are read.
    pub async fn look(&self, schema: &Schema) -> Material {
        let (folders, max_bytes, by) = (self.folders.clone(), self.max_bytes, schema.clone());
        let read = tokio::task::spawn_blocking(move || {
            let mut material = Material::default();
            for folder in &folders {
                folder::look(folder, max_bytes, &by, &mut material);
            }
            material
        });
        let mut material = read.await.unwrap_or_default();
        for url in &self.urls {
            match self.fetcher.fetch(url).await {
                Ok(fetched) => {
                    let extension = fetched.url.path().rsplit_once('.').map(|(_, extension)| extension);
                    match format_of(&fetched.media_type, extension) {
                        Some(format) => material.take(url, format, fetched.bytes, schema),
                        None => material.skip(
                            url,
                            format!("{:?} is none of JSONL, CSV, Markdown and plain text", fetched.media_type),
                        ),
                    }
                }
                Err(error) => material.skip(url, error.to_string()),
            }
        }
        material
    }
}

/// What a feed is written in: what its server says, unless it says nothing, else what its name ends in. Parquet is for folders.
fn format_of(media_type: &str, extension: Option<&str>) -> Option<Format> {
    let said = media::format_of(media_type).ok().filter(|_| !media_type.is_empty());
    let vague = matches!(media_type, "" | "text/plain" | "application/octet-stream" | "binary/octet-stream");
    let named = extension.and_then(Format::from_extension).filter(|_| vague);
    named.or(said).filter(|format| *format != Format::Parquet)
}

impl Material {
    fn skip(&mut self, source: &str, why: String) {
        self.skipped.push(Skipped { source: source.to_owned(), why });
    }

    /// Reads the records of one source. One with a bad record is passed over whole: its owner is told, and mends it.
    fn take(&mut self, source: &str, format: Format, bytes: Vec<u8>, schema: &Schema) {
        let limits = Limits { records: MAX_RECORDS, bytes: bytes.len() as u64, ..Limits::default() };
        let records = match read_records(format, Cursor::new(bytes), schema, limits) {
            Ok(records) => records,
            Err(error) => return self.skip(source, error.to_string()),
        };
        let mut found = Vec::new();
        for (place, record) in (0..MAX_RECORDS).zip(records) {
            match record {
                Ok(record) => found.push(Found { source: source.to_owned(), place, record }),
                Err(CorpusError::TooManyRecords { .. }) => break,
                Err(error) => return self.skip(source, error.to_string()),
            }
        }
        self.found.extend(found);
    }
}
