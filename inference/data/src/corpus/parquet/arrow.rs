//! What Arrow's writers say of their columns beside Parquet's own schema.
//!
//! Arrow has types that Parquet has not: a duration is stored as a plain integer, and only the Arrow schema that the
//! writer keeps in the file's metadata (a FlatBuffers message in base64, under `ARROW:schema`) tells it from a number.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parquet::file::metadata::FileMetaData;

/// The key under which the schema is kept.
const KEY: &str = "ARROW:schema";
/// What marks the start of a message; older writers begin with its length.
const CONTINUES: &[u8] = &[0xFF; 4];
/// The header of a message that is a schema.
const SCHEMA: u8 = 1;
/// The type of a field that is a duration.
const DURATION: u8 = 18;
/// Most fields that are looked at; no schema of records comes near.
const MAX_FIELDS: usize = 10_000;

/// Names of the columns that hold durations; none where the writer says nothing that can be read.
pub(super) fn durations(metadata: &FileMetaData) -> Vec<String> {
    let pairs = metadata.key_value_metadata().into_iter().flatten();
    let said = pairs.filter(|pair| pair.key == KEY).find_map(|pair| pair.value.as_deref());
    said.and_then(|said| STANDARD.decode(said).ok()).and_then(|bytes| of_message(&bytes)).unwrap_or_default()
}

fn of_message(bytes: &[u8]) -> Option<Vec<String>> {
    let bytes = bytes.strip_prefix(CONTINUES).unwrap_or(bytes).get(4..)?;
    let message = Table::at(bytes, 0)?;
    if message.byte(1)? != SCHEMA {
        return None;
    }
    let fields = message.table(2)?.vector(1)?;
    let is_duration = |field: &Table<'_>| field.byte(2) == Some(DURATION);
    Some(fields.iter().filter(|field| is_duration(field)).filter_map(|field| field.text(0)).collect())
}

/// A table of FlatBuffers: where it stands in its message. Whatever does not lie within the message is not there.
struct Table<'a> {
    bytes: &'a [u8],
    start: usize,
}

impl<'a> Table<'a> {
    /// The table that the offset at `at` leads to.
    fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        Some(Self { bytes, start: at.checked_add(long(bytes, at)?)? })
    }

    /// Where the value of a field stands.
    fn field(&self, number: usize) -> Option<usize> {
        let back = i32::from_le_bytes(four(self.bytes, self.start)?);
        let names = usize::try_from(i64::try_from(self.start).ok()? - i64::from(back)).ok()?;
        let at = 4 + 2 * number;
        if at + 2 > short(self.bytes, names)? {
            return None;
        }
        let offset = short(self.bytes, names.checked_add(at)?)?;
        if offset == 0 { None } else { self.start.checked_add(offset) }
    }

    fn byte(&self, number: usize) -> Option<u8> {
        self.bytes.get(self.field(number)?).copied()
    }

    fn table(&self, number: usize) -> Option<Self> {
        Self::at(self.bytes, self.field(number)?)
    }

    fn vector(&self, number: usize) -> Option<Vec<Self>> {
        let start = self.table(number)?.start;
        let items = long(self.bytes, start)?.min(MAX_FIELDS);
        (0..items).map(|item| Self::at(self.bytes, start.checked_add(4 + 4 * item)?)).collect()
    }

    fn text(&self, number: usize) -> Option<String> {
        let start = self.table(number)?.start;
        let length = long(self.bytes, start)?;
        let text = self.bytes.get(start.checked_add(4)?..)?.get(..length)?;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }
}

fn four(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(four(bytes, at)?)).ok()
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|two| usize::from(u16::from_le_bytes(*two)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The schema of `durations.parquet`, without its metadata.
    fn message() -> Vec<u8> {
        let file = include_bytes!("../tests/data/durations.parquet");
        let start = memchr::memmem::find(file, KEY.as_bytes()).unwrap() + KEY.len();
        let text: Vec<u8> =
            file[start..].iter().copied().skip_while(|byte| !byte.is_ascii_uppercase() && *byte != b'/').collect();
        let end = text.iter().position(|byte| !byte.is_ascii_alphanumeric() && !b"+/=".contains(byte)).unwrap();
        STANDARD.decode(&text[..end / 4 * 4]).unwrap()
    }

    #[test]
    fn a_duration_is_told_by_its_columns_name() {
        assert_eq!(of_message(&message()).unwrap(), ["age"]);
    }

    proptest! {
        #[test]
        fn a_damaged_schema_never_panics(at in any::<prop::sample::Index>(), byte: u8, end in any::<prop::sample::Index>()) {
            let mut message = message();
            let at = at.index(message.len());
            message[at] = byte;
            let _ = of_message(&message);
            let _ = of_message(&message[..end.index(message.len())]);
        }
    }
}
