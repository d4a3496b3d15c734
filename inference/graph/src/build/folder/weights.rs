//! The tensors of a model's safetensors files, by name, with their bytes left where they lie.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::Deserialize;

use super::instead::instead;
use super::json::keys;
use crate::build::BuildError;
use crate::onnx::{DataType, TensorProto};

/// First bytes by which what is no safetensors file is told.
const HEAD: u64 = 64;

/// Bytes of the length that a safetensors file begins with.
const PREFIX: u64 = 8;

/// Real headers have some 100 bytes a tensor.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// Protobuf messages end at 2 GiB; the rest of the model needs a little room.
pub(crate) const MAX_INLINE_BYTES: u64 = (2 << 30) - (16 << 20);

/// Where the built model keeps its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In the model itself: one self-contained ONNX file, at most 2 GB.
    Inline,
    /// In the safetensors files, which the graph refers to by name and byte range. The runtime maps it: nothing is
    /// copied, and processes that use the same file share its pages. The file must not change meanwhile; replace it
    /// by renaming a new one over it.
    Mapped,
}

/// Real indexes name some 1,000 tensors.
const MAX_INDEX_BYTES: u64 = 16 << 20;

/// The largest models come in some 200 files.
const MAX_SHARDS: usize = 512;

/// The checked headers of a model's safetensors files.
#[derive(Debug)]
pub struct Weights {
    shards: Vec<Shard>,
    /// The file of each tensor.
    places: HashMap<String, usize>,
}

/// One safetensors file.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) path: PathBuf,
    location: String,
    pub(super) metadata: Metadata,
    data_start: u64,
}

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

/// The files of a folder's weights, their index first where there are several. Whether they exist is not looked at.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let [single, index] = ["model.safetensors", "model.safetensors.index.json"].map(|file| folder.join(file));
    if single.exists() || !index.exists() {
        return Ok(vec![single]);
    }
    let shards = shard_files(folder, &index)?;
    Ok(std::iter::once(index).chain(shards).collect())
}

impl Weights {
    /// Reads the header of one file and checks it against the file's real length: no overlap, no gap, no tensor
    /// outside the file.
    ///
    /// # Errors
    /// [`BuildError::Read`] and [`BuildError::Damaged`].
    pub fn open(path: &Path) -> Result<Self, BuildError> {
        Self::of(vec![Shard::open(path)?])
    }

    /// Opens `model.safetensors` of a folder, or the files that its `model.safetensors.index.json` names.
    ///
    /// Links are followed first: the runtime reads no weights through a link that leads out of the folder it is given,
    /// as those of Hugging Face's cache do.
    ///
    /// # Errors
    /// As [`Weights::open`], for each file; and if the files really lie in several folders.
    pub fn open_folder(folder: &Path) -> Result<Self, BuildError> {
        let index = folder.join("model.safetensors.index.json");
        let single = folder.join("model.safetensors");
        let names = if single.exists() || !index.exists() { vec![single] } else { shard_files(folder, &index)? };
        let real = |path: PathBuf| path.canonicalize().map_err(|source| BuildError::Read { path, source });
        let shards = names.into_iter().map(|path| Shard::open(&real(path)?)).collect::<Result<_, _>>()?;
        Self::of(shards)
    }

    fn of(shards: Vec<Shard>) -> Result<Self, BuildError> {
        let mut places = HashMap::new();
        for (place, shard) in shards.iter().enumerate() {
            if shard.path.parent() != shards[0].path.parent() {
                return Err(BuildError::Damaged("its parts lie in several folders".to_owned()));
            }
            for name in shard.metadata.offset_keys() {
                if places.insert(name.clone(), place).is_some() {
                    return Err(BuildError::Damaged(format!("tensor {name} is in two of its parts")));
                }
            }
        }
        Ok(Self { shards, places })
    }

    /// The real folder of the files, which the runtime must be given with [`Storage::Mapped`].
    pub fn folder(&self) -> &Path {
        self.shards.first().and_then(|shard| shard.path.parent()).unwrap_or(Path::new("."))
    }

    pub(super) fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Whether a tensor of this name is there.
    pub fn contains(&self, name: &str) -> bool {
        self.places.contains_key(name)
    }

    /// The tensor as an initialiser called `name`; its shape must be `shape`.
    ///
    /// # Errors
    /// [`BuildError::MissingTensor`], [`BuildError::WrongShape`], [`BuildError::UnsupportedElement`], and for
    /// [`Storage::Inline`] also [`BuildError::Read`] and [`BuildError::TooLarge`].
    pub fn tensor(&self, name: &str, shape: &[usize], storage: Storage) -> Result<TensorProto, BuildError> {
        let shard = self.places.get(name).and_then(|&place| self.shards.get(place));
        let found = shard.and_then(|shard| Some((shard, shard.metadata.info(name)?)));
        let (shard, info) = found.ok_or_else(|| BuildError::MissingTensor(name.to_owned()))?;
        if info.shape != shape {
            return Err(BuildError::WrongShape {
                name: name.to_owned(),
                found: info.shape.clone(),
                expected: shape.to_vec(),
            });
        }
        let element = element_type(name, info.dtype)?;
        let dims: Vec<i64> = shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX)).collect();
        let (offset, length) = shard.range(info);
        Ok(match storage {
            Storage::Mapped => TensorProto::external(name, element, &dims, &shard.location, offset, length),
            Storage::Inline => {
                let bytes = self.shards.iter().map(|shard| shard.metadata.data_len() as u64).sum();
                if bytes > MAX_INLINE_BYTES {
                    return Err(BuildError::TooLarge { bytes });
                }
                TensorProto::from_raw(name, element, &dims, shard.read(offset, length)?)
            }
        })
    }
}

impl Shard {
    fn open(path: &Path) -> Result<Self, BuildError> {
        let read_error = |source| BuildError::Read { path: path.to_owned(), source };
        let location = path
            .file_name()
            .and_then(|name| name.to_str())
            .ok_or_else(|| BuildError::Damaged(format!("{} is not a usable file name", path.display())))?
            .to_owned();
        let mut file = File::open(path).map_err(read_error)?;
        let length = file.metadata().map_err(read_error)?.len();
        if let Some(what) = head_instead(&mut file).map_err(read_error)? {
            return Err(BuildError::Instead { file: location, what });
        }
        let header = read_header(&mut file, length).map_err(read_error)??;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| BuildError::Damaged(error.to_string()))?;
        let data_start = PREFIX + header.len() as u64;
        let expected = data_start.saturating_add(metadata.data_len() as u64);
        if expected > length {
            let missing = expected - length;
            return Err(BuildError::Damaged(format!("it is cut short: {missing} of {expected} bytes are missing")));
        }
        if expected != length {
            return Err(BuildError::Damaged(format!("its header describes {expected} bytes, the file has {length}")));
        }
        Ok(Self { path: path.to_owned(), location, metadata, data_start })
    }

    /// Offset and length of a tensor in the file.
    pub(super) fn range(&self, info: &TensorInfo) -> (u64, u64) {
        let (start, end) = info.data_offsets;
        (self.data_start + start as u64, (end - start) as u64)
    }

    fn read(&self, offset: u64, length: u64) -> Result<Bytes, BuildError> {
        let read_error = |source| BuildError::Read { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(read_error)?;
        file.seek(SeekFrom::Start(offset)).map_err(read_error)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(read_error)?;
        if bytes.len() as u64 != length {
            return Err(BuildError::Damaged("it became shorter while it was read".to_owned()));
        }
        Ok(bytes.into())
    }
}

/// The files that an index names, each once, all of them in its own folder.
fn shard_files(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let read_error = |source| BuildError::Read { path: index.to_owned(), source };
    let damaged = |reason: String| BuildError::Damaged(format!("its index {reason}"));
    let bytes = std::fs::metadata(index).map_err(read_error)?.len();
    if bytes > MAX_INDEX_BYTES {
        return Err(damaged(format!("has {bytes} bytes, more than {MAX_INDEX_BYTES}")));
    }
    let json = std::fs::read(index).map_err(read_error)?;
    let index: ShardIndex = keys(&json).map_err(|what| damaged(format!("is not usable: {what}")))?;
    let names: BTreeSet<&str> = index.weight_map.values().map(String::as_str).collect();
    if names.is_empty() || names.len() > MAX_SHARDS {
        return Err(damaged(format!("names {} files, not 1 to {MAX_SHARDS}", names.len())));
    }
    let plain = |name: &str| Path::new(name).file_name().is_some_and(|file| file == name);
    match names.iter().find(|name| !plain(name)) {
        Some(name) => Err(damaged(format!("leads out of its folder: {name:?}"))),
        None => Ok(names.iter().map(|name| folder.join(name)).collect()),
    }
}

/// What the file is in place of weights, by its first bytes.
fn head_instead(file: &mut File) -> std::io::Result<Option<&'static str>> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(instead(&head))
}

/// The JSON header; the outer error is the system's, the inner one the file's.
fn read_header(file: &mut File, length: u64) -> std::io::Result<Result<Vec<u8>, BuildError>> {
    if length < PREFIX {
        return Ok(Err(BuildError::Damaged(format!("it has only {length} bytes"))));
    }
    let mut prefix = [0u8; PREFIX as usize];
    file.read_exact(&mut prefix)?;
    let header = u64::from_le_bytes(prefix);
    if header > MAX_HEADER_BYTES || header > length - PREFIX {
        let what = if header <= MAX_HEADER_BYTES {
            format!("it is cut short: its header of {header} bytes does not fit into the {length} that are there")
        } else {
            format!("it does not begin as a safetensors file does (a header of {header} bytes)")
        };
        return Ok(Err(BuildError::Damaged(what)));
    }
    let mut bytes = Vec::new();
    file.take(header).read_to_end(&mut bytes)?;
    Ok(Ok(bytes))
}

fn element_type(name: &str, dtype: Dtype) -> Result<DataType, BuildError> {
    match dtype {
        Dtype::F32 => Ok(DataType::Float),
        Dtype::F16 => Ok(DataType::Float16),
        Dtype::BF16 => Ok(DataType::Bfloat16),
        other => Err(BuildError::UnsupportedElement { name: name.to_owned(), found: format!("{other:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    const HEADER: &str = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;

    #[test]
    fn a_tensor_is_found_in_both_storages() {
        let file = file(&safetensors(HEADER, &[1, 2, 3, 4, 5, 6, 7, 8]));
        let weights = Weights::open(file.path()).unwrap();
        let inline = weights.tensor("w", &[2], Storage::Inline).unwrap();
        assert_eq!(inline.raw_data.as_deref(), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
        let mapped = weights.tensor("w", &[2], Storage::Mapped).unwrap();
        let offset = mapped.external_data.iter().find(|entry| entry.key == "offset").unwrap();
        assert_eq!(offset.value, (8 + HEADER.len()).to_string());
    }

    #[test]
    fn a_truncated_file_is_refused() {
        let whole = safetensors(HEADER, &[0; 8]);
        for length in 0..whole.len() {
            let file = file(&whole[..length]);
            assert!(matches!(Weights::open(file.path()), Err(BuildError::Damaged(_))), "{length} bytes");
        }
    }

    #[test]
    fn what_came_in_place_of_the_weights_is_named() {
        let said = |bytes: &[u8]| Weights::open(file(bytes).path()).unwrap_err().to_string();
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 90868376\n";
        assert!(said(pointer.as_bytes()).contains("git lfs pull"));
        assert!(said(b"\n<!DOCTYPE html><title>401</title>").contains("web page"));
        assert!(said(&safetensors(HEADER, &[0; 5])).contains("cut short: 3 of"));
        assert!(said(&safetensors(HEADER, &[0; 8])[..30]).contains("cut short"));
        assert!(said(b"a text that is longer than it should be").contains("does not begin as a safetensors file"));
    }

    #[test]
    fn overlaps_gaps_and_overflowing_shapes_are_refused() {
        for header in [
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
            r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
        ] {
            let file = file(&safetensors(header, &[0; 8]));
            assert!(matches!(Weights::open(file.path()), Err(BuildError::Damaged(_))), "{header}");
        }
    }

    #[test]
    fn a_missing_misshapen_or_integer_tensor_is_named() {
        let header = r#"{"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#;
        let file = file(&safetensors(header, &[0; 8]));
        let weights = Weights::open(file.path()).unwrap();
        let tensor = |name, shape| weights.tensor(name, shape, Storage::Mapped).unwrap_err().to_string();
        assert!(tensor("gone", &[1]).contains("gone is missing"));
        assert!(tensor("i", &[2]).contains("shape [1]"));
        assert!(tensor("i", &[1]).contains("I64"));
    }

    #[test]
    fn the_parts_of_a_model_are_found_through_its_index() {
        let folder = tempfile::tempdir().unwrap();
        let other = HEADER.replace("\"w\"", "\"v\"");
        std::fs::write(folder.path().join("a.safetensors"), safetensors(HEADER, &[1; 8])).unwrap();
        std::fs::write(folder.path().join("b.safetensors"), safetensors(&other, &[2; 8])).unwrap();
        let index = folder.path().join("model.safetensors.index.json");
        std::fs::write(&index, r#"{"weight_map":{"w":"a.safetensors","v":"b.safetensors"}}"#).unwrap();
        let weights = Weights::open_folder(folder.path()).unwrap();
        assert_eq!(weights.tensor("v", &[2], Storage::Inline).unwrap().raw_data.as_deref(), Some(&[2; 8][..]));
        assert_eq!(weights.folder(), folder.path().canonicalize().unwrap());
        for hostile in ["../a.safetensors", "/etc/passwd", "", ".."] {
            std::fs::write(&index, serde_json::json!({ "weight_map": { "w": hostile } }).to_string()).unwrap();
            assert!(matches!(Weights::open_folder(folder.path()), Err(BuildError::Damaged(_))), "{hostile}");
        }
        std::fs::copy(folder.path().join("a.safetensors"), folder.path().join("b.safetensors")).unwrap();
        std::fs::write(&index, r#"{"weight_map":{"w":"a.safetensors","v":"b.safetensors"}}"#).unwrap();
        assert!(matches!(Weights::open_folder(folder.path()), Err(BuildError::Damaged(_))), "one tensor twice");
    }

    proptest! {
        #[test]
        fn garbage_is_an_error_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let file = file(&bytes);
            prop_assert!(Weights::open(file.path()).is_err());
        }

        #[test]
        fn a_changed_header_is_read_or_refused_but_never_panics(at in 0usize..HEADER.len(), byte in 32u8..127) {
            let mut bytes = safetensors(HEADER, &[0; 8]);
            bytes[8 + at] = byte;
            let file = file(&bytes);
            if let Ok(weights) = Weights::open(file.path()) {
                let _ = weights.tensor("w", &[2], Storage::Inline);
            }
        }
    }
}
