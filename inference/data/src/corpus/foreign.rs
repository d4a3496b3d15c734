//! Files of another kind than they were sent as, told by their first bytes.

use datanet_types::record::Format;

use super::error::CorpusError;

/// First bytes that are looked at.
pub(crate) const HEAD: usize = 64;

/// How a kind of file begins, what it is, and what to send instead. The first that fits counts.
const KINDS: [(&[u8], &str, &str); 17] = [
    (b"\x1f\x8b", "compressed with gzip", "unpack it, or send it with Content-Encoding: gzip"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", "unpack it"),
    (b"BZh", "compressed with bzip2", "unpack it"),
    (b"\xfd7zXZ", "compressed with xz", "unpack it"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (xls)", "save the sheet as CSV UTF-8"),
    (b"PAR1", "a Parquet file", "send it as application/vnd.apache.parquet, or end its name in .parquet"),
    (b"ARROW1", "an Arrow file", "write it as Parquet"),
    (b"FEA1", "a Feather file", "write it as Parquet"),
    (b"Obj\x01", "an Avro file", "write it as Parquet or JSONL"),
    (b"ORC", "an ORC file", "write it as Parquet"),
    (b"SQLite format 3\0", "an SQLite database", "export the table as CSV"),
    (b"\x89HDF", "an HDF5 file", "write it as Parquet or CSV"),
    (b"%PDF-", "a PDF document", "extract its text"),
    (b"\xff\xfe\0\0", "text in UTF-32", "save it as UTF-8"),
    (b"\xff\xfe", "text in UTF-16", "save it as UTF-8 (in Excel: CSV UTF-8)"),
    (b"\xfe\xff", "text in UTF-16", "save it as UTF-8 (in Excel: CSV UTF-8)"),
    (b"\0\0\xfe\xff", "text in UTF-32", "save it as UTF-8"),
];

/// Refuses what is certainly not of `format` by its first bytes, at most [`HEAD`] of them.
pub(crate) fn refuse_foreign(format: Format, head: &[u8]) -> Result<(), CorpusError> {
    match kind_of(head) {
        Some((_, "a Parquet file", _)) if format == Format::Parquet => Ok(()),
        // Letters that may begin a word: a name of a column, a first word.
        Some((start, ..)) if format != Format::Parquet && start.is_ascii() && is_text(head) => Ok(()),
        Some((_, kind, fix)) => Err(CorpusError::Foreign { format, kind, fix }),
        None => Ok(()),
    }
}

fn kind_of(head: &[u8]) -> Option<(&'static [u8], &'static str, &'static str)> {
    if head.starts_with(b"PK\x03\x04") {
        let (kind, fix) = zip(head);
        return Some((b"PK\x03\x04", kind, fix));
    }
    KINDS.into_iter().find(|(start, ..)| head.starts_with(start)).or_else(|| {
        // Text in two bytes a character, without the mark: every second byte of mostly Latin text is zero.
        let zeros = |offset: usize| head.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        let half = head.len() / 2;
        (half >= 4 && (even * 10 >= half * 9 && odd == 0 || odd * 10 >= half * 9 && even == 0)).then_some((
            b"\0".as_slice(),
            "text in UTF-16",
            "save it as UTF-8 (in Excel: CSV UTF-8)",
        ))
    })
}

/// What is packed into a ZIP file, by the name of its first member.
fn zip(head: &[u8]) -> (&'static str, &'static str) {
    let holds = |name: &[u8]| memchr::memmem::find(head, name).is_some();
    if holds(b"opendocument.spreadsheet") || holds(b"mimetypeapplication/vnd.oasis") {
        ("an OpenDocument file", "save the sheet as CSV UTF-8")
    } else if holds(b"[Content_Types].xml") || holds(b"xl/") || holds(b"_rels/") || holds(b"docProps/") {
        ("an Office file, such as an Excel workbook (xlsx)", "save the sheet as CSV UTF-8")
    } else {
        ("a ZIP archive (an Excel workbook is one too)", "unpack it; save a sheet as CSV UTF-8")
    }
}

/// Whether the bytes read as text: a cut last character does not count against them.
fn is_text(head: &[u8]) -> bool {
    let no_control = |byte: &u8| !byte.is_ascii_control() || matches!(byte, b'\n' | b'\r' | b'\t');
    let is_utf8 = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    is_utf8 && head.iter().all(no_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(format: Format, head: &[u8]) -> String {
        refuse_foreign(format, head).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn files_of_other_kinds_are_named_with_what_to_send_instead() {
        let utf16: Vec<u8> = "text,label\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (head, kind, fix) in [
            (b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "gzip", "Content-Encoding: gzip"),
            (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0....[Content_Types].xml".to_vec(), "xlsx", "CSV UTF-8"),
            (b"PK\x03\x04\x14\0\0\x08mimetypeapplication/vnd.oasis.opendocument".to_vec(), "OpenDocument", "CSV UTF-8"),
            ([b"\xff\xfe".as_slice(), &utf16].concat(), "UTF-16", "UTF-8"),
            (utf16, "UTF-16", "UTF-8"),
            (b"PAR1\x15\x04\x15\x10".to_vec(), "a Parquet file", "application/vnd.apache.parquet"),
        ] {
            let said = refusal(Format::Csv, &head);
            assert!(said.contains(kind) && said.contains(fix), "{said}");
        }
        assert!(refusal(Format::Parquet, b"PK\x03\x04").contains("ZIP"));
    }

    #[test]
    fn text_is_left_alone_whatever_its_first_word() {
        for head in ["text,label", "", "ORC,text", "PAR1 is a word", "BZh", "%PDF-1.7 explained", "ééé", "\u{feff}text"]
        {
            assert_eq!(refusal(Format::Csv, head.as_bytes()), "", "{head}");
        }
        assert_eq!(refusal(Format::Parquet, b"PAR1"), "");
    }
}
