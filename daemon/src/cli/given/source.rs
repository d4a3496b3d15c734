//! Files to read: plain or packed, from the disk or from standard input.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use bytes::Bytes;
use datanet_data::corpus::{Limits, Source};
use datanet_data::hub::SplitFile;
use datanet_types::record::Format;
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use tokio_stream::wrappers::ReceiverStream;

use super::format_of;
use crate::cli::files;

/// How gzip begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// What is read at once.
const CHUNK: usize = 256 << 10;
/// Pieces that wait to be sent.
const QUEUE: usize = 4;

/// A file to give.
#[derive(Debug, Clone)]
pub(in crate::cli) struct GivenFile {
    /// What it is called in what is said of it.
    pub name: String,
    /// What it holds.
    pub format: Format,
    /// Where it is; none is standard input.
    path: Option<PathBuf>,
}

/// Bytes as they are stored, and whether they are packed.
pub(in crate::cli) struct Raw {
    pub reader: Box<dyn Read + Send>,
    pub is_packed: bool,
    /// How many there are, as far as that is known.
    pub size: Option<u64>,
}

impl GivenFile {
    pub(super) fn stdin(format: Format) -> Self {
        Self { name: "standard input".to_owned(), format, path: None }
    }

    pub(super) fn at(path: &Path, format: Option<Format>) -> Result<Self> {
        // Told before what its name says: most who mistype a path mistype its end too. A pipe is opened once, by whoever
        // reads it.
        if std::fs::metadata(path).map_err(|error| files::unreadable(path, error))?.is_file() {
            files::open(path)?;
        }
        let format = format.map_or_else(|| format_of(path), Ok)?;
        Ok(Self { name: path.display().to_string(), format, path: Some(path.to_owned()) })
    }

    pub(in crate::cli) fn of_split(file: &SplitFile) -> Self {
        Self { name: file.name.clone(), format: file.format, path: Some(file.path.clone()) }
    }

    /// Opens it and looks at how it begins.
    pub(in crate::cli) fn raw(&self) -> Result<Raw> {
        let (mut reader, size): (Box<dyn Read + Send>, _) = match &self.path {
            None => (Box::new(io::stdin()), None),
            Some(path) => {
                let file = files::open(path)?;
                let size = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
                (Box::new(file), size)
            }
        };
        let mut head = Vec::new();
        reader.by_ref().take(GZIP.len() as u64).read_to_end(&mut head).map_err(|error| self.unreadable(error))?;
        let is_packed = head == GZIP;
        Ok(Raw { reader: Box::new(Cursor::new(head).chain(reader)), is_packed, size })
    }

    /// How many bytes it holds, unless only reading it would tell.
    pub(in crate::cli) fn size(&self) -> Option<u64> {
        let path = self.path.as_ref()?;
        // A pipe is opened once.
        std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let raw = self.raw().ok()?;
        raw.size.filter(|_| !raw.is_packed)
    }

    /// Opens it to read records from. What is unpacked is bounded by the reader of records; Parquet is read from its end,
    /// so that what is no plain file is kept in one first.
    pub(in crate::cli) fn source(&self) -> Result<Box<dyn Source>> {
        let Raw { reader, is_packed, size } = self.raw()?;
        if let (Some(path), Some(_), false) = (&self.path, size, is_packed) {
            return Ok(Box::new(files::open(path)?));
        }
        let reader: Box<dyn Read + Send> = match is_packed {
            true => Box::new(Unpacked(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, reader)))),
            false => reader,
        };
        if self.format == Format::Parquet {
            return Ok(Box::new(self.kept(reader, Limits::default().bytes)?));
        }
        Ok(Box::new(Stream(reader)))
    }

    /// The bytes in a file that disappears when it is closed, `limit` at most.
    fn kept(&self, mut reader: impl Read, limit: u64) -> Result<File> {
        let mut file = tempfile::tempfile().map_err(|error| self.unreadable(error))?;
        let (mut chunk, mut kept) = (vec![0; CHUNK], 0u64);
        loop {
            let read = reader.read(&mut chunk).map_err(|error| self.unreadable(error))?;
            kept = kept.saturating_add(read as u64);
            if kept > limit {
                anyhow::bail!("{} holds more than {limit} bytes; split it", self.name);
            }
            if read == 0 {
                file.rewind().map_err(|error| self.unreadable(error))?;
                return Ok(file);
            }
            file.write_all(chunk.get(..read).unwrap_or_default()).map_err(|error| self.unreadable(error))?;
        }
    }

    /// Why it cannot be read.
    pub(in crate::cli) fn unreadable(&self, error: io::Error) -> anyhow::Error {
        files::unreadable(Path::new(&self.name), error)
    }
}

/// What is in a gzip file.
struct Unpacked<R>(MultiGzDecoder<R>);

impl<R: io::BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| {
            io::Error::new(error.kind(), format!("it is not whole gzip data ({error}); compress it again"))
        })
    }
}

/// What is read from its beginning to its end alone.
struct Stream(Box<dyn Read + Send>);

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Seek for Stream {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::NotSeekable.into())
    }
}

/// Why a body broke off, if it did.
pub(in crate::cli) type Broken = Arc<OnceLock<String>>;

/// A body of pieces, which a thread of its own reads while they are sent.
pub(in crate::cli) fn body(
    mut next: impl FnMut() -> Result<Option<Vec<u8>>> + Send + 'static,
    bar: ProgressBar,
) -> (reqwest::Body, Broken) {
    let (sender, pieces) = tokio::sync::mpsc::channel::<io::Result<Bytes>>(QUEUE);
    let broken = Broken::default();
    let told = broken.clone();
    tokio::task::spawn_blocking(move || {
        loop {
            let piece = match next() {
                Ok(None) => return,
                Ok(Some(piece)) => {
                    bar.inc(piece.len() as u64);
                    Ok(piece.into())
                }
                Err(error) => {
                    let _ = told.set(format!("{error:#}"));
                    Err(io::ErrorKind::InvalidData.into())
                }
            };
            let is_last = piece.is_err();
            if sender.blocking_send(piece).is_err() || is_last {
                return;
            }
        }
    });
    (reqwest::Body::wrap_stream(ReceiverStream::new(pieces)), broken)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn read(name: &str, bytes: &[u8]) -> Result<(Format, Vec<u8>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let file = GivenFile::at(&path, None)?;
        let mut read = Vec::new();
        file.source()?.read_to_end(&mut read)?;
        Ok((file.format, read))
    }

    #[test]
    fn packed_files_are_told_by_their_first_bytes_and_named_by_what_is_in_them() {
        let body = b"{\"text\":\"x\"}\n";
        for (name, bytes) in [
            ("a.jsonl", body.to_vec()),
            ("a.jsonl.gz", packed(body)),
            ("a.JSONL.GZ", [packed(&body[..4]), packed(&body[4..])].concat()),
            ("a.jsonl", packed(body)),
            ("a.jsonl.gz", body.to_vec()),
        ] {
            assert_eq!(read(name, &bytes).unwrap(), (Format::Jsonl, body.to_vec()), "{name}");
        }
        assert_eq!(read("a.parquet.gz", &packed(b"PAR1")).unwrap(), (Format::Parquet, b"PAR1".to_vec()));
        assert_eq!(read("empty.csv", b"").unwrap().1, b"");
        for name in ["a.gz", "a.xlsx", "a.zip", "a"] {
            assert!(read(name, b"x").is_err(), "{name}");
        }
    }

    #[test]
    fn gzip_that_is_cut_short_is_told() {
        let whole = packed(&b"some text\n".repeat(500));
        let said = read("a.txt.gz", &whole[..whole.len() / 2]).unwrap_err().to_string();
        assert!(said.contains("not whole gzip data"), "{said}");
    }
}
