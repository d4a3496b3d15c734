//! Whether the numbers of a model are numbers.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use safetensors::tensor::Dtype;

use super::weights::{Shard, Weights};
use crate::build::BuildError;

/// Bytes that are looked at at a time; whole numbers of every element type fit into it.
const CHUNK: usize = 1 << 20;

impl Weights {
    /// The first tensor, in the order of the files, that holds a number which is infinite or none. Reads every weight
    /// once.
    ///
    /// # Errors
    /// [`BuildError::Read`] and [`BuildError::Damaged`].
    pub fn not_finite(&self) -> Result<Option<String>, BuildError> {
        for shard in self.shards() {
            let mut tensors: Vec<_> = shard.metadata.tensors().into_iter().collect();
            tensors.sort_by_key(|(_, info)| info.data_offsets);
            for (name, info) in tensors {
                let (offset, length) = shard.range(info);
                if !finite(shard, info.dtype, offset, length)? {
                    return Ok(Some(name));
                }
            }
        }
        Ok(None)
    }
}

/// Whether all numbers of a byte range are finite; of types that are no floats they always are.
fn finite(shard: &Shard, dtype: Dtype, offset: u64, length: u64) -> Result<bool, BuildError> {
    let bad: fn(&[u8]) -> bool = match dtype {
        Dtype::F32 => |chunk| chunk.as_chunks().0.iter().any(|x| !f32::from_le_bytes(*x).is_finite()),
        Dtype::F16 => |chunk| any_exponent(chunk, 0x7c00),
        Dtype::BF16 => |chunk| any_exponent(chunk, 0x7f80),
        _ => return Ok(true),
    };
    let read_error = |source| BuildError::Read { path: shard.path.clone(), source };
    let mut file = BufReader::new(File::open(&shard.path).map_err(read_error)?);
    file.seek(SeekFrom::Start(offset)).map_err(read_error)?;
    let (mut left, mut chunk) = (length, vec![0; CHUNK]);
    while left > 0 {
        let part = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        file.read_exact(&mut chunk[..part]).map_err(read_error)?;
        if bad(&chunk[..part]) {
            return Ok(false);
        }
        left -= part as u64;
    }
    Ok(true)
}

/// Whether a number of 16 bits has all bits of its exponent set, as the infinite and those that are none do.
fn any_exponent(chunk: &[u8], exponent: u16) -> bool {
    chunk.as_chunks().0.iter().any(|x| u16::from_le_bytes(*x) & exponent == exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(dtype: &str, numbers: &[&[u8]]) -> Option<String> {
        let data = numbers.concat();
        let (half, all) = (data.len() / 2, data.len());
        let shape = numbers.len() / 2;
        let header = format!(
            r#"{{"b":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[0,{half}]}},"a":{{"dtype":"{dtype}","shape":[{shape}],"data_offsets":[{half},{all}]}}}}"#
        );
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &data].concat();
        std::fs::write(file.path(), bytes).unwrap();
        Weights::open(file.path()).unwrap().not_finite().unwrap()
    }

    #[test]
    fn the_first_tensor_with_a_bad_number_is_named() {
        let f32 = |x: f32| x.to_le_bytes();
        assert_eq!(found("F32", &[&f32(1.0), &f32(f32::MAX)]), None);
        assert_eq!(found("F32", &[&f32(1.0), &f32(f32::NAN)]), Some("a".into()));
        assert_eq!(found("F32", &[&f32(f32::INFINITY), &f32(f32::NAN)]), Some("b".into()));
    }

    #[test]
    fn numbers_of_16_bits_are_looked_at_too_and_whole_numbers_are_always_good() {
        let bits = |x: u16| x.to_le_bytes();
        assert_eq!(found("F16", &[&bits(0x7bff), &bits(0xfbff)]), None);
        assert_eq!(found("F16", &[&bits(0x3c00), &bits(0xfc00)]), Some("a".into()));
        assert_eq!(found("BF16", &[&bits(0x7f7f), &bits(0x7c00)]), None);
        assert_eq!(found("BF16", &[&bits(0xffc0), &bits(0)]), Some("b".into()));
        assert_eq!(found("I16", &[&bits(0x7fff), &bits(0xffff)]), None);
    }
}
