//! Which format a media type means: the spellings in use, and what to say about the others.

use datanet_types::record::Format;

/// The spellings that are read. Data goes by many names: most were never registered.
const SPELLINGS: [(Format, &[&str]); 5] = [
    (
        Format::Jsonl,
        &[
            "application/x-ndjson",
            "application/ndjson",
            "application/jsonl",
            "application/x-jsonl",
            "application/jsonlines",
            "application/x-jsonlines",
            "application/json-lines",
            "application/x-json-lines",
            "application/x-json-stream",
            "text/x-ndjson",
            "text/ndjson",
            "text/jsonl",
            "text/x-jsonl",
            "text/jsonlines",
            "text/x-jsonlines",
            "text/json-lines",
        ],
    ),
    (
        Format::Csv,
        &[
            "text/csv",
            "text/x-csv",
            "application/csv",
            "application/x-csv",
            "text/comma-separated-values",
            "text/x-comma-separated-values",
            "text/tab-separated-values",
            "text/tsv",
            "text/x-tsv",
            "application/tsv",
        ],
    ),
    (
        Format::Parquet,
        &[
            "application/vnd.apache.parquet",
            "application/x-parquet",
            "application/parquet",
            "application/x-apache-parquet",
        ],
    ),
    (Format::Markdown, &["text/markdown", "text/x-markdown", "text/x-web-markdown", "application/markdown"]),
    (Format::Text, &["text/plain"]),
];

/// What else is sent, and what to do about it.
const OTHERS: [(&str, &str); 11] = [
    ("application/json", "write one object a line and send it as application/x-ndjson"),
    ("text/json", "write one object a line and send it as application/x-ndjson"),
    ("application/x-www-form-urlencoded", "name the format: with curl -H 'Content-Type: application/x-ndjson'"),
    ("multipart/form-data", "send the file itself as the body: with curl --data-binary @FILE"),
    ("application/vnd.ms-excel", "save the sheet as CSV UTF-8 and send it as text/csv"),
    (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "save the sheet as CSV UTF-8 and send it as text/csv",
    ),
    ("application/vnd.oasis.opendocument.spreadsheet", "save the sheet as CSV UTF-8 and send it as text/csv"),
    ("application/gzip", "send the format as Content-Type and the compression as Content-Encoding: gzip"),
    ("application/x-gzip", "send the format as Content-Type and the compression as Content-Encoding: gzip"),
    ("application/zip", "unpack it and send one file a contribution"),
    ("application/octet-stream", "name the format of the file"),
];

/// Why a media type is not read; each says what is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadMedia {
    /// Not the type of any format.
    #[error(
        "Content-Type {found:?} is not read; {fix}send application/x-ndjson, text/csv, application/vnd.apache.parquet, \
         text/markdown or text/plain"
    )]
    Type {
        /// What was sent.
        found: String,
        /// What to do about it, with a semicolon behind; empty where nothing is known of it.
        fix: String,
    },
    /// A text in another encoding.
    #[error("charset {0:?} is not read; save the file as UTF-8 and send charset=utf-8, or no charset")]
    Charset(String),
}

/// The format of a media type in any case, parameters included.
///
/// # Errors
/// When it is that of no format that is read, or names a charset other than UTF-8 (or its part, US-ASCII).
pub fn format_of(media_type: &str) -> Result<Format, UnreadMedia> {
    let mut parts = media_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let known = SPELLINGS.iter().find(|(_, spellings)| spellings.contains(&essence.as_str()));
    let Some((format, _)) = known else {
        let fix = OTHERS.iter().find(|(other, _)| *other == essence).map(|(_, fix)| format!("{fix}; "));
        return Err(UnreadMedia::Type { found: media_type.to_owned(), fix: fix.unwrap_or_default() });
    };
    match parts.filter_map(charset).find(|charset| !is_utf8(charset)) {
        // Parquet's texts are UTF-8 whatever is said about it.
        Some(charset) if *format != Format::Parquet => Err(UnreadMedia::Charset(charset.to_owned())),
        _ => Ok(*format),
    }
}

fn charset(parameter: &str) -> Option<&str> {
    let (name, value) = parameter.split_once('=')?;
    name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
}

fn is_utf8(charset: &str) -> bool {
    ["utf-8", "utf8", "us-ascii", "ascii", ""].iter().any(|known| charset.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read_in_any_case_and_with_parameters() {
        for (format, spellings) in SPELLINGS {
            assert!(spellings.contains(&format.media_type()));
            for spelling in spellings {
                assert_eq!(format_of(spelling), Ok(format));
                let shouted = format!(" {} ; Charset=\"UTF-8\";header=present", spelling.to_ascii_uppercase());
                assert_eq!(format_of(&shouted), Ok(format), "{shouted}");
            }
        }
    }

    #[test]
    fn other_charsets_and_types_are_refused_with_what_to_send() {
        let said = |media_type: &str| format_of(media_type).unwrap_err().to_string();
        assert!(said("text/csv; charset=iso-8859-1").contains("\"iso-8859-1\" is not read; save the file as UTF-8"));
        assert!(said("application/json").contains("one object a line"));
        assert!(said("application/x-www-form-urlencoded").contains("-H 'Content-Type"));
        assert!(said("").contains("send application/x-ndjson"));
        assert!(format_of("image/png").is_err());
    }
}
