//! A folder as Hugging Face lays out data sets: Parquet by split, a card, and Croissant.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use datanet_api::ClientResult;
use datanet_api::contributions::ListParams;
use datanet_api::datanets::{DatanetView, ExportParams};
use datanet_data::export::{self, About, Column, Kind, Marks, Split, Writer, card, croissant};
use datanet_types::ContributionId;
use futures::Stream;
use indicatif::ProgressBar;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::lines::each_line;
use super::staged::StagedFolder;
use super::{Written, bar, complete};
use crate::cli::client::{Client, told};
use crate::cli::output::Output;
use crate::cometbft::rfc3339;

/// A file of a split ends after so many bytes of lines: about what the Hub recommends, once packed.
const SHARD: usize = 1 << 30;

/// The part of a line that says where it is from.
#[derive(Deserialize)]
struct From {
    #[serde(rename = "_datanet_contribution")]
    contribution: ContributionId,
}

pub(super) async fn write(
    client: &Client,
    datanet: &DatanetView,
    columns: &[Column],
    staged: StagedFolder,
    output: Output,
) -> Result<Written> {
    let id = datanet.record.id.to_string();
    let (records, height, stream) = client.node.export(&id, &ExportParams { provenance: true }).await.map_err(told)?;
    if records == 0 {
        bail!("the datanet has no final records yet; nothing was written");
    }
    let bar = bar(records, output);
    let mut given = BTreeMap::<ContributionId, u64>::new();
    let count = |line: &str| -> Result<()> {
        let from: From = serde_json::from_str(line)?;
        let records = given.entry(from.contribution).or_default();
        *records = records.saturating_add(1);
        Ok(())
    };
    let (train, marks) = split("train", &staged, columns, stream, &bar, count).await?;
    let held_out = client.node.held_out_set(&id).await.map_err(told)?;
    let (test, _) = split("test", &staged, columns, held_out, &ProgressBar::hidden(), |_| Ok(())).await?;
    bar.finish_and_clear();
    let held_out = test.records;
    let about = About {
        name: datanet.record.name.clone(),
        id: id.clone(),
        description: datanet.record.description.clone(),
        licence: datanet.record.licence.clone(),
        creator: datanet.record.creator.to_string(),
        chain: client.node.status().await.map_err(told)?.chain_id,
        height,
        date: today(),
        columns: columns.to_vec(),
        splits: vec![train, test],
        contributions: contributions(client, &id, &given).await?,
    };
    fs::write(staged.path().join("README.md"), card(&about))?;
    let described = serde_json::to_vec_pretty(&croissant(&about))?;
    fs::write(staged.path().join("croissant.json"), described)?;
    complete(client, datanet, records, marks.records).await?;
    staged.publish()?;
    let files = about.splits.iter().flat_map(|split| &split.files).map(|file| file.name.clone()).collect();
    Ok(Written { height, marks, held_out: Some(held_out), files })
}

/// Writes the files of a split.
async fn split(
    name: &'static str,
    staged: &StagedFolder,
    columns: &[Column],
    stream: impl Stream<Item = ClientResult<Vec<u8>>>,
    bar: &ProgressBar,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<(Split, Marks)> {
    let data = staged.path().join("data");
    let (mut shards, mut marks, mut open, mut bytes) = (Vec::new(), Marks::default(), None, 0usize);
    each_line(stream, |line| {
        if open.is_none() || bytes >= SHARD {
            shards.extend(open.take().map(|shard: Shard| shard.finish(&mut marks)).transpose()?);
            open = Some(Shard::new(data.join(format!("{name}-{}", shards.len())), columns)?);
            bytes = 0;
        }
        bytes = bytes.saturating_add(line.len());
        bar.inc(1);
        each(line)?;
        open.as_mut().map_or(Ok(()), |shard| Ok(shard.writer.row(line)?))
    })
    .await?;
    shards.extend(open.take().map(|shard| shard.finish(&mut marks)).transpose()?);
    let all = shards.len();
    let named = shards.into_iter().enumerate().map(|(number, (path, bytes, sha256))| {
        let file = format!("{name}-{number:05}-of-{all:05}.parquet");
        fs::rename(path, data.join(&file))?;
        Ok(export::File { name: format!("data/{file}"), bytes, sha256 })
    });
    let files = named.collect::<Result<Vec<_>>>()?;
    Ok((Split { name, records: marks.records, files }, marks))
}

/// A file of a split under way.
struct Shard {
    path: PathBuf,
    writer: Writer<Hashed>,
}

impl Shard {
    fn new(path: PathBuf, columns: &[Column]) -> Result<Self> {
        let file = BufWriter::with_capacity(1 << 20, File::create_new(&path)?);
        let writer = Writer::new(Kind::Parquet, columns, Hashed { file, hash: Sha256::new(), bytes: 0 })?;
        Ok(Self { path, writer })
    }

    /// Its path, bytes and hash.
    fn finish(self, marks: &mut Marks) -> Result<(PathBuf, u64, String)> {
        let (out, written) = self.writer.finish()?;
        marks.records = marks.records.saturating_add(written.records);
        let Hashed { file, hash, bytes } = out;
        file.into_inner().context("cannot write the export")?.sync_all()?;
        Ok((self.path, bytes, hex::encode(hash.finalize())))
    }
}

/// A file that is hashed as it is written.
struct Hashed {
    file: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// What is to be said of the contributions that records came from.
async fn contributions(
    client: &Client,
    datanet: &str,
    given: &BTreeMap<ContributionId, u64>,
) -> Result<Vec<export::Contribution>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let params = ListParams { state: None, limit: Some(1_000), after };
        let page = client.node.contributions(datanet, &params).await.map_err(told)?;
        for one in page.contributions {
            let Some(records) = given.get(&one.id) else { continue };
            found.push(export::Contribution {
                id: one.id.to_string(),
                contributor: one.contributor.to_string(),
                records: *records,
                record_root: one.record_root.to_string(),
                final_height: one.final_height.unwrap_or_default(),
            });
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// The day by the clock, in UTC, as `2026-01-31`.
fn today() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    rfc3339(seconds).chars().take_while(|c| *c != 'T').collect()
}
