//! The index as bytes.
//!
//! Little-endian: magic, then vocabulary, documents and letters as u64; a byte a token of the vocabulary; cluster,
//! source and end of each document as u32; letters as u16 or u32; the suffix array as u32. Counts are made again on
//! reading.

use super::{
    index::{Document, Index, IndexError, MAX_TOKENS, MAX_VOCABULARY, Tokens},
    suffixes::is_suffix_array,
};

const MAGIC: &[u8; 8] = b"DNSPANS1";

impl Index {
    /// Everything that [`Index::from_bytes`] needs.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32 + self.starts_word.len() + 12 * self.ends.len() + 8 * self.text.len());
        bytes.extend(MAGIC);
        for count in [self.starts_word.len(), self.documents.len(), self.text.len()] {
            bytes.extend((count as u64).to_le_bytes());
        }
        bytes.extend(self.starts_word.iter().map(|starts| u8::from(*starts)));
        for (document, end) in self.documents.iter().zip(&self.ends) {
            [document.cluster, document.source, *end].iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        }
        match &self.text {
            Tokens::Narrow(text) => text.iter().for_each(|letter| bytes.extend(letter.to_le_bytes())),
            Tokens::Wide(text) => text.iter().for_each(|letter| bytes.extend(letter.to_le_bytes())),
        }
        self.array.iter().for_each(|at| bytes.extend(at.to_le_bytes()));
        bytes
    }

    /// Reads an index of anybody's making; linear time, for the order of the suffixes is checked too.
    ///
    /// # Errors
    /// When the bytes are anything but an index.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, IndexError> {
        let corrupt = IndexError::Corrupt;
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(corrupt("another format"))?;
        let mut take = |count: Option<usize>| -> Result<&[u8], IndexError> {
            let (own, others) =
                count.and_then(|count| rest.split_at_checked(count)).ok_or(corrupt("it ends too early"))?;
            rest = others;
            Ok(own)
        };
        let mut count = |most: usize| -> Result<usize, IndexError> {
            let bytes: [u8; 8] = take(Some(8))?.try_into().unwrap_or_default();
            let count = usize::try_from(u64::from_le_bytes(bytes)).unwrap_or(usize::MAX);
            if count <= most { Ok(count) } else { Err(corrupt("larger than any index")) }
        };
        let (vocabulary, documents, letters) = (count(MAX_VOCABULARY)?, count(MAX_TOKENS)?, count(MAX_TOKENS)?);
        let starts_word = take(Some(vocabulary))?.iter().map(|byte| *byte != 0).collect();
        let numbers = |bytes: &[u8]| -> Vec<u32> {
            bytes.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default())).collect()
        };
        let table = numbers(take(documents.checked_mul(12))?);
        let narrow = vocabulary < usize::from(u16::MAX);
        let text: Vec<u32> = if narrow {
            let bytes = take(letters.checked_mul(2))?.chunks_exact(2);
            bytes.map(|bytes| u32::from(u16::from_le_bytes(bytes.try_into().unwrap_or_default()))).collect()
        } else {
            numbers(take(letters.checked_mul(4))?)
        };
        let array = numbers(take(letters.checked_mul(4))?);
        if !rest.is_empty() {
            return Err(corrupt("it goes on after its end"));
        }
        let rows = || table.chunks_exact(3);
        let ends: Vec<u32> = rows().map(|row| row[2]).collect();
        let zeros = text.iter().enumerate().filter(|(_, letter)| **letter == 0).map(|(at, _)| at as u32);
        if !zeros.eq(ends.iter().copied()) || text.last().is_some_and(|letter| *letter != 0) {
            return Err(corrupt("its documents do not fit the text"));
        }
        if text.iter().any(|letter| *letter as usize > vocabulary) || !is_suffix_array(&text, &array) {
            return Err(corrupt("its text or order is damaged"));
        }
        let documents = rows().map(|row| Document { cluster: row[0], source: row[1] }).collect();
        Ok(Self::assemble(starts_word, documents, ends, text, array))
    }
}
