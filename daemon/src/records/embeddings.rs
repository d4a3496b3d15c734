//! Embeddings of records on disk: computed once, used by the judge and by the index.
//!
//! A file is one BLAKE3 hash over what follows, then the vectors as little-endian `f32`, row after row. Its name binds the
//! model and the very texts, so a file is right or absent, whatever schema or choice of records led to them; a damaged one
//! is computed again. The blob stands first in the name, so that all of a withdrawn one is found.

use std::path::{Path, PathBuf};

use datanet_data::Embedding;
use datanet_data::corpus::Record;
use datanet_types::BlobHash;

use super::Records;
use crate::error::{ServiceError, ServiceResult};

const HASH_BYTES: usize = 32;

impl Records {
    /// The embeddings of `records`, in their order, out of the blob `blob`.
    ///
    /// # Errors
    /// When there is no embedding model (`Code::NoModel`), it fails on a text, or the embeddings cannot be written to
    /// disk.
    pub async fn embeddings(&self, blob: &BlobHash, records: &[(u64, Record)]) -> ServiceResult<Vec<Embedding>> {
        let model = self.embedder.info()?;
        let texts: Vec<String> = records.iter().map(|(_, record)| record.text().to_owned()).collect();
        let path = self.embeddings_dir.join(file_name(blob, &model.id, &texts));
        if let Some(found) = read(&path, texts.len(), model.dimensions) {
            return Ok(found);
        }
        let embeddings = self.embedder.embed_all(texts).await?;
        write(&path, &embeddings)?;
        Ok(embeddings)
    }

    /// Forgets the embeddings of a blob, under any model.
    pub fn forget_embeddings(&self, blob: &BlobHash) {
        let prefix = blob.to_hex();
        let Ok(entries) = std::fs::read_dir(&self.embeddings_dir) else { return };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(&prefix) {
                // Left-overs cost a little disk and nothing else.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

/// The name of the file with the embeddings of `texts`: a hash over the model and every text with its length.
fn file_name(blob: &BlobHash, model: &[u8; 32], texts: &[String]) -> PathBuf {
    let mut hasher = blake3::Hasher::new_derive_key("datanet embeddings of texts v1");
    hasher.update(model);
    for text in texts {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    format!("{blob}-{}.f32", hasher.finalize().to_hex()).into()
}

fn read(path: &Path, rows: usize, dimensions: usize) -> Option<Vec<Embedding>> {
    let bytes = std::fs::read(path).ok()?;
    let (hash, body) = bytes.split_at_checked(HASH_BYTES)?;
    let whole = body.len() == rows.checked_mul(dimensions)?.checked_mul(4)?;
    if !whole || blake3::hash(body).as_bytes() != hash {
        tracing::warn!(path = %path.display(), "damaged embeddings are computed again");
        return None;
    }
    let vectors = body.chunks_exact(dimensions.checked_mul(4)?).map(|row| {
        let values = row.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Embedding::from_unit(values).ok()
    });
    vectors.collect()
}

fn write(path: &Path, embeddings: &[Embedding]) -> ServiceResult<()> {
    let body: Vec<u8> = embeddings.iter().flat_map(|e| e.as_slice()).flat_map(|value| value.to_le_bytes()).collect();
    let mut bytes = blake3::hash(&body).as_bytes().to_vec();
    bytes.extend_from_slice(&body);
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .map_err(|error| ServiceError::io("cannot keep embeddings", &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_texts_of_the_same_blob_are_another_file() {
        let (blob, model) = (BlobHash([1; 32]), [2; 32]);
        let name =
            |texts: &[&str]| file_name(&blob, &model, &texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(name(&["a", "b"]), name(&["a", "b"]));
        for other in [&["b", "a"][..], &["ab"], &["a"], &["a", "b", ""], &["", "ab"]] {
            assert_ne!(name(&["a", "b"]), name(other), "{other:?}");
        }
        assert_ne!(file_name(&blob, &[3; 32], &[]), file_name(&blob, &model, &[]));
    }

    #[test]
    fn vectors_come_back_and_damage_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.f32");
        let vectors: Vec<_> = [[0.6, 0.8], [1.0, 0.0]].iter().map(|v| Embedding::normalised(v).unwrap()).collect();
        write(&path, &vectors).unwrap();
        assert_eq!(read(&path, 2, 2).unwrap(), vectors);
        assert!(read(&path, 3, 2).is_none());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(read(&path, 2, 2).is_none());
    }
}
