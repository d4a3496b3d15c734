//! The files of models: given out, fetched, let go of.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use datanet_api::models::{ExportFormat, PullProgress, PullUpdate, Pulled};
use futures::{StreamExt, TryStreamExt};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::args::ModelExportArgs;
use super::client::{Client, told};
use super::confirm::confirm;
use super::output::{Output, fields, text};
use super::progress::EVERY;

/// Files of an export at most; a node writes fewer than ten.
const MAX_FILES: usize = 64;

/// A file that has been written.
struct Written {
    name: String,
    bytes: u64,
}

/// `model export`.
pub(super) async fn export(client: &Client, args: ModelExportArgs, output: Output) -> Result<()> {
    let (folder, format) = (args.to, ExportFormat::from(args.format));
    let shown = folder.display();
    ensure!(!folder.exists(), "{shown} is there already; name a folder that is not, nothing is overwritten");
    let parent = match folder.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    ensure!(parent.is_dir(), "there is no folder {}; make it first", parent.display());
    let model = client.model(&args.model).await?;
    let bar = spinner(output, format!("the node writes {format}"));
    let response = client.node.export_model(&model, format).await.map_err(told)?;
    count_bytes(&bar, response.content_length().unwrap_or_default());
    // Beside its place, so that it takes it whole or not at all; what is left on the way is removed with the guard.
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    let parts = tempfile::Builder::new().prefix(".datanet-export-").permissions(private).tempdir_in(&parent);
    let parts = parts.with_context(|| format!("cannot write in {}", parent.display()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let bytes = response.bytes_stream().map_err(std::io::Error::other);
    let archive = Watched { inner: SyncIoBridge::new(StreamReader::new(bytes)), bar: bar.clone(), stop: stop.clone() };
    let to = parts.path().to_owned();
    let mut unpacking = tokio::task::spawn_blocking(move || unpack(archive, &to));
    let unpacked = tokio::select! {
        unpacked = &mut unpacking => unpacked,
        _ = tokio::signal::ctrl_c() => {
            stop.store(true, Ordering::Relaxed);
            // It must not write into a folder that is being removed.
            let _ = unpacking.await;
            bail!("stopped; nothing was written")
        }
    };
    let files = unpacked?.context("the export broke off; nothing was written")?;
    bar.finish_and_clear();
    std::fs::rename(parts.path(), &folder).with_context(|| format!("cannot write {shown}; nothing was written"))?;
    // It has another name now, and stays.
    let _ = parts.keep();
    let total: u64 = files.iter().map(|file| file.bytes).sum();
    let listed: Vec<Value> = files.iter().map(|file| json!({ "name": file.name, "bytes": file.bytes })).collect();
    let value = json!({ "model": model, "format": format, "folder": folder, "files": listed, "bytes": total });
    output.show(&value, |_| {
        for file in &files {
            say!("{:>12}  {}", HumanBytes(file.bytes).to_string(), file.name);
        }
        say!("\n{format} in {shown}, {}; README.md says how it is loaded", HumanBytes(total));
    });
    Ok(())
}

/// What is read, counted, until somebody wants it to stop.
struct Watched<R> {
    inner: R,
    bar: ProgressBar,
    stop: Arc<AtomicBool>,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("stopped"));
        }
        let count = self.inner.read(buffer)?;
        self.bar.inc(count as u64);
        Ok(count)
    }
}

/// Writes the files of an archive into a folder: plain files alone, each a name of its own within it.
fn unpack(archive: impl Read, folder: &Path) -> Result<Vec<Written>> {
    let (mut archive, mut files) = (tar::Archive::new(archive), Vec::new());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_str().unwrap_or_default().to_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let good = entry.header().entry_type().is_file()
            && (1..=255).contains(&name.len())
            && !name.starts_with('.')
            && name.chars().all(plain);
        ensure!(good, "the node sent {:?}, which is no plain file", super::output::excerpt(&name.into(), 80));
        ensure!(files.len() < MAX_FILES, "the node sent more than {MAX_FILES} files");
        let mut file = std::fs::File::create_new(folder.join(&name)).with_context(|| format!("cannot write {name}"))?;
        let bytes = std::io::copy(&mut entry, &mut file).with_context(|| format!("cannot write {name}"))?;
        ensure!(bytes == entry.size(), "{name} is cut short");
        file.sync_all().with_context(|| format!("cannot write {name}"))?;
        files.push(Written { name, bytes });
    }
    // What is behind the last file must have come too, else it was not the last.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
    ensure!(!files.is_empty(), "the node sent no file");
    Ok(files)
}

/// `model pull`.
pub(super) async fn pull(client: &Client, model: &str, output: Output) -> Result<()> {
    let model = client.model(model).await?;
    let bar = spinner(output, "looking for the model".to_owned());
    let updates = client.node.pull_model(&model).await.map_err(told)?;
    let mut updates = std::pin::pin!(updates);
    let (mut pulled, mut told_at) = (None, Instant::now());
    while let Some(update) = updates.next().await {
        match update.map_err(told)? {
            PullUpdate::Progress(at) => show(&bar, &at, &mut told_at, output),
            PullUpdate::Done(done) => pulled = Some(done),
            PullUpdate::Failed { error } => bail!("{}", text(&error.message.into())),
        }
    }
    bar.finish_and_clear();
    let pulled = pulled.context("the node's events broke off; `datanet model pull` takes up what has come")?;
    output.show(&serde_json::to_value(&pulled)?, |_| print_pulled(&pulled));
    Ok(())
}

fn print_pulled(pulled: &Pulled) {
    let Pulled { model, name, files, bytes, base, base_here } = pulled;
    let name = text(&name.as_str().into());
    say!("{name} {model}: {files} files, {}, all checked", HumanBytes(*bytes));
    match base.filter(|_| !base_here) {
        Some(base) => {
            say!("its base {base} is not here: put its folder into the node's models folder before you deploy it")
        }
        None => say!("\nnext: datanet model deploy {model}"),
    }
}

/// Where nobody watches, a line now and then.
fn show(bar: &ProgressBar, at: &PullProgress, told_at: &mut Instant, output: Output) {
    if bar.length().is_none() {
        count_bytes(bar, at.of_bytes);
    }
    bar.set_position(at.bytes);
    let what = if at.file.is_empty() { "checking".to_owned() } else { text(&at.file.as_str().into()) };
    bar.set_message(what.clone());
    if bar.is_hidden() && !output.json && told_at.elapsed() >= EVERY {
        *told_at = Instant::now();
        note!("{}/{} files, {} of {}: {what}", at.files, at.of_files, HumanBytes(at.bytes), HumanBytes(at.of_bytes));
    }
}

/// `model rm`.
pub(super) async fn remove(client: &Client, model: &str, yes: bool, output: Output) -> Result<()> {
    let model = client.model(model).await?;
    let known = client.get(&format!("/v1/models/{model}")).await?;
    // What is deployed stays, and the node says why.
    if known["deployed"] != true {
        let keys = client.node.keys().await.map_err(told)?;
        let own = keys.iter().any(|key| key.address.to_string() == known["owner"].as_str().unwrap_or_default());
        let whose = match own {
            true => {
                "It belongs to an account of this node: if no other node has it, it is lost, and its answers can be checked by nobody."
            }
            false => "`datanet model pull` fetches them again, as long as another node has them.",
        };
        let question = {
            let [name, id] = [&known["name"], &known["model_id"]].map(text);
            format!("drop this node's files of model {name} ({id})? {whose}")
        };
        confirm(yes, &question).await?;
    }
    let removed = client.node.remove_model_files(&model).await.map_err(told)?;
    let value = serde_json::to_value(&removed)?;
    output.show(&value, |value| {
        fields(value, &["model", "name", "files"]);
        let (bytes, later) = (HumanBytes(removed.bytes), HumanBytes(removed.bytes_later));
        say!("{bytes} come free, {later} of them when the blob store collects next");
    });
    Ok(())
}

/// Shows that something goes on before anything can be counted.
fn spinner(output: Output, what: String) -> ProgressBar {
    let bar = if output.json { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

/// From now on the bar counts bytes.
fn count_bytes(bar: &ProgressBar, total: u64) {
    bar.set_length(total);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}") {
        bar.set_style(style);
    }
    bar.set_message("");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An archive of these files; names are written as they are, whatever they say.
    fn packed(files: &[(&str, &[u8])], kind: tar::EntryType) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_entry_type(kind);
            header.set_cksum();
            bytes.extend(header.as_bytes());
            bytes.extend(*content);
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.extend([0; 1_024]);
        bytes
    }

    #[test]
    fn only_plain_files_within_the_folder_are_written() {
        let unpacked = |bytes: &[u8]| {
            let folder = tempfile::tempdir().unwrap();
            let files = unpack(bytes, folder.path()).map(|files| files.len()).map_err(|error| format!("{error:#}"));
            (files, std::fs::read_dir(folder.path()).unwrap().count())
        };
        let file = tar::EntryType::Regular;
        let good = packed(&[("a.json", b"1"), ("b.bin", &[7; 600])], file);
        assert_eq!(unpacked(&good), (Ok(2), 2));
        for name in ["../a", "/tmp/a", "a/b", ".hidden", "a b", "."] {
            let (files, left) = unpacked(&packed(&[(name, b"1")], file));
            assert!(files.unwrap_err().contains("no plain file") && left == 0, "{name}");
        }
        for kind in [tar::EntryType::Symlink, tar::EntryType::Directory, tar::EntryType::Link] {
            assert!(unpacked(&packed(&[("a", b"")], kind)).0.is_err());
        }
        assert!(unpacked(&packed(&[("a", b"1"), ("a", b"2")], file)).0.is_err(), "twice");
        assert!(unpacked(&packed(&[], file)).0.is_err(), "nothing");
        for length in [100, 511, 513, 1_100] {
            assert!(unpacked(&good[..length]).0.is_err(), "{length} bytes");
        }
    }
}
