//! Records that stream in, in any format but Parquet, cut anywhere.

use datanet_data::corpus::{Limits, StreamChecker, Summary};
use datanet_types::record::Format;
use datanet_types::schema::Schema;

use crate::Target;

pub(crate) const STREAM: Target = Target { name: "stream", seeds, run };

/// The first byte says the format, the second how the rest is cut; the files of the corpus are so made too.
fn seeds() -> Vec<Vec<u8>> {
    let jsonl = "{\"text\":\"An owl calls.\",\"label\":\"a\"}\n{\"label\":\"b\",\"text\":\"caf\\u00e9 \u{1f989}\"}\r\n";
    let csv = "text,label\n\"An owl, he said \"\"calls\"\".\",a\nDucks,b\n";
    let prose = "# Owls\n\nAn owl calls through the forest.\n\n```\nno prose\n```\n\n* A duck dives.\n";
    [(0, jsonl), (1, csv), (2, prose), (3, prose)]
        .into_iter()
        .flat_map(|(format, text)| [0u8, 3].map(|cut| [&[format, cut], text.as_bytes()].concat()))
        .collect()
}

fn run(input: &[u8]) {
    let Some((&[format, cut], text)) = input.split_first_chunk::<2>() else { return };
    let (format, schema) = match format % 4 {
        0 => (Format::Jsonl, Schema::text_and_label(&["a", "b"])),
        1 => (Format::Csv, Schema::text_and_label(&["a", "b"])),
        2 => (Format::Markdown, text_only()),
        _ => (Format::Text, text_only()),
    };
    let whole = check(format, &schema, [text]);
    let pieces = check(format, &schema, text.chunks(usize::from(cut).max(1)));
    assert_eq!(whole.is_some(), pieces.is_some(), "whether it is accepted depends on where it was cut");
    assert_eq!(whole, pieces, "the record root depends on where the stream was cut");
}

fn text_only() -> Schema {
    let mut schema = Schema::text_and_label(&["a"]);
    schema.fields.truncate(1);
    schema
}

fn check<'a>(format: Format, schema: &Schema, pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<Summary> {
    let limits = Limits { records: 1_000, bytes: 1 << 20, record_bytes: 4_096 };
    let mut checker = StreamChecker::new(format, schema, limits).ok()?;
    for piece in pieces {
        checker.push(piece).ok()?;
    }
    checker.finish().ok()
}
