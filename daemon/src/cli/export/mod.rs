//! Taking a datanet's records out: streamed from the node into a file or a folder, which is there whole or not at all.

mod folder;
mod lines;
mod staged;

use anyhow::{Context, Result, bail};
use datanet_api::datanets::{DatanetView, ExportParams};
use datanet_data::export::{Column, Kind, Marks, Writer, columns};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::args::{ExportArgs, ExportFormat};
use super::client::{Client, told};
use super::output::{Output, fields};
use lines::each_line;
use staged::StagedFile;

/// What an export has written.
struct Written {
    height: u64,
    marks: Marks,
    /// Records of the held-out set, where it is there too.
    held_out: Option<u64>,
    /// The files of a folder.
    files: Vec<String>,
}

pub(super) async fn run(client: &Client, args: ExportArgs, output: Output) -> Result<()> {
    // What is half-written goes with whoever stops it.
    let (mut interrupt, mut end) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        done = export(client, &args, output) => done,
        _ = interrupt.recv() => bail!("stopped; nothing was written"),
        _ = end.recv() => bail!("stopped; nothing was written"),
    }
}

async fn export(client: &Client, args: &ExportArgs, output: Output) -> Result<()> {
    let format = format_of(args)?;
    // Told before anything is asked for.
    let place = match format {
        ExportFormat::Hf => Place::Folder(staged::StagedFolder::new(&args.to, args.overwrite)?),
        _ => Place::File(StagedFile::new(&args.to, args.overwrite)?),
    };
    let id = client.datanet(&args.datanet).await?;
    let datanet = client.node.datanet(&id).await.map_err(told)?;
    let columns = columns(&datanet.record.schema, !args.no_provenance)?;
    let written = match place {
        Place::Folder(staged) => folder::write(client, &datanet, &columns, staged, output).await?,
        Place::File(staged) => file(client, &datanet, &columns, kind_of(format), staged, args, output).await?,
    };
    let value = summary(args, format, &datanet, &written);
    output.show(&value, |value| {
        fields(value, &["datanet", "to", "format", "height", "records"]);
        if written.held_out.is_some() {
            fields(value, &["held_out"]);
        }
    });
    if !output.json {
        tell(&written.marks);
    }
    Ok(())
}

enum Place {
    File(StagedFile),
    Folder(staged::StagedFolder),
}

/// Writes all records into one file.
async fn file(
    client: &Client,
    datanet: &DatanetView,
    columns: &[Column],
    kind: Kind,
    mut staged: StagedFile,
    args: &ExportArgs,
    output: Output,
) -> Result<Written> {
    let params = ExportParams { provenance: !args.no_provenance };
    let id = datanet.record.id.to_string();
    let (records, height, stream) = client.node.export(&id, &params).await.map_err(told)?;
    let bar = bar(records, output);
    let mut writer = Writer::new(kind, columns, staged.writer()?)?;
    each_line(stream, |line| {
        bar.inc(1);
        Ok(writer.row(line)?)
    })
    .await?;
    let (out, marks) = writer.finish()?;
    drop(out);
    bar.finish_and_clear();
    complete(client, datanet, records, marks.records).await?;
    staged.publish()?;
    Ok(Written { height, marks, held_out: None, files: Vec::new() })
}

/// Refuses what is not all, or holds what was taken back while it was on its way.
async fn complete(client: &Client, before: &DatanetView, wanted: u64, written: u64) -> Result<()> {
    if wanted != written {
        bail!("{written} of {wanted} records came; nothing was written: export again");
    }
    let after = client.node.datanet(&before.record.id.to_string()).await.map_err(told)?;
    if after.counts.revoked != before.counts.revoked {
        bail!("a contribution was taken back meanwhile; nothing was written: export again");
    }
    Ok(())
}

fn format_of(args: &ExportArgs) -> Result<ExportFormat> {
    let ending = args.to.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let told = match ending.as_str() {
        "jsonl" | "ndjson" => Some(ExportFormat::Jsonl),
        "csv" => Some(ExportFormat::Csv),
        "parquet" | "pq" => Some(ExportFormat::Parquet),
        _ => None,
    };
    args.format.or(told).with_context(|| {
        format!("say how to write {}: --format jsonl, csv, parquet, or hf for a folder", args.to.display())
    })
}

fn kind_of(format: ExportFormat) -> Kind {
    match format {
        ExportFormat::Jsonl => Kind::Jsonl,
        ExportFormat::Csv => Kind::Csv,
        ExportFormat::Parquet | ExportFormat::Hf => Kind::Parquet,
    }
}

fn bar(records: u64, output: Output) -> ProgressBar {
    let bar = if output.json { ProgressBar::hidden() } else { ProgressBar::new(records) };
    if let Ok(style) = ProgressStyle::with_template("exporting {bar:30} {pos}/{len} records {per_sec} {eta}") {
        bar.set_style(style);
    }
    bar
}

fn summary(args: &ExportArgs, format: ExportFormat, datanet: &DatanetView, written: &Written) -> Value {
    let format = match format {
        ExportFormat::Jsonl => "jsonl",
        ExportFormat::Csv => "csv",
        ExportFormat::Parquet => "parquet",
        ExportFormat::Hf => "hf",
    };
    let mut value = json!({
        "datanet": datanet.record.name, "id": datanet.record.id, "licence": datanet.record.licence,
        "to": args.to, "format": format, "height": written.height, "records": written.marks.records,
        "formulas": written.marks.formulas, "empty_texts": written.marks.empty_texts,
    });
    if let Some(held_out) = written.held_out {
        value["held_out"] = held_out.into();
        value["files"] = json!(written.files);
    }
    value
}

/// What the file itself does not say.
fn tell(marks: &Marks) {
    if marks.formulas > 0 {
        note!(
            "{} cells begin with = + - or @, as strangers wrote them; a spreadsheet takes such for formulas: import the \
             columns there as text",
            marks.formulas
        );
    }
    if marks.empty_texts > 0 {
        note!("{} empty texts read back from CSV as no text; JSONL and Parquet tell them apart", marks.empty_texts);
    }
}
