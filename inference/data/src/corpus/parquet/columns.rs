//! Which field each column stands for, and the columns that cannot be read, refused by name before any row.

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};
use parquet::schema::types::Type;

use super::arrow::durations;
use crate::corpus::Limits;
use crate::corpus::csv::is_row_number;
use crate::corpus::error::{CorpusError, cut};
use crate::corpus::shape::Shape;

/// Largest column of one row group, uncompressed, in bytes: what a reader may have to hold at once.
const MAX_COLUMN_BYTES: i64 = 256 << 20;

/// The field of each column, `None` for a column that is left out, and what is wrong with them.
pub(super) fn read_columns(shape: &Shape, metadata: &ParquetMetaData) -> (Vec<Option<usize>>, Vec<CorpusError>) {
    let (mut columns, mut problems, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let durations = durations(metadata.file_metadata());
    for column in metadata.file_metadata().schema().get_fields() {
        let name = column.name();
        names.push(name);
        let index = shape.index_of(name, columns.len());
        let is_left_out = index.is_none() && (shape.leaves_out(name) || numbers_rows(column));
        let wrong = if is_left_out { None } else { wrong_with(column, index, &columns, shape) };
        let is_duration = durations.iter().any(|duration| duration == name);
        let wrong = wrong.or_else(|| unread(column, is_duration).filter(|_| index.is_some()).map(str::to_owned));
        problems.extend(wrong.map(|wrong| problem(name, wrong)));
        columns.push(index);
    }
    let given = |index| columns.contains(&Some(index));
    let mut all = shape.absent(true, &names, given);
    all.extend(problems);
    all.extend(shape.absent(false, &names, given));
    (columns, all)
}

/// Why a column cannot be read as the field that it is.
fn wrong_with(column: &Type, index: Option<usize>, before: &[Option<usize>], shape: &Shape) -> Option<String> {
    if !column.is_primitive() || column.get_basic_info().repetition() == Repetition::REPEATED {
        return Some("is nested; records are flat: write it as one value a row, or have it left out".to_owned());
    }
    if index.is_none() {
        let known = shape.names();
        return Some(format!("is not in the schema; drop it (or have it left out or mapped), the fields are {known}"));
    }
    before.contains(&index).then(|| "is there twice; keep one".to_owned())
}

/// The part of a file's schema that is read.
pub(super) fn only(metadata: &ParquetMetaData, columns: &[Option<usize>]) -> Result<Type, CorpusError> {
    let schema = metadata.file_metadata().schema();
    let kept = schema.get_fields().iter().zip(columns).filter(|(_, index)| index.is_some());
    let kept = kept.map(|(column, _)| column.clone()).collect();
    let built = Type::group_type_builder(schema.name()).with_fields(kept).build();
    built.map_err(|error| CorpusError::Parquet(cut(&error.to_string(), 200)))
}

/// Columns that pandas writes for an index that counts rows: `__index_level_0__`, or a CSV's read and written again.
fn numbers_rows(column: &Type) -> bool {
    use parquet::basic::Type::{INT32, INT64};
    let name = column.name();
    let is_index = name.starts_with("__index_level_") && name.ends_with("__");
    column.is_primitive() && (is_index || is_row_number(name)) && matches!(column.get_physical_type(), INT32 | INT64)
}

/// What to write instead of a kind of value that no field takes.
fn unread(column: &Type, is_duration: bool) -> Option<&'static str> {
    const DATE: &str = "holds dates; write them as text, such as 2026-01-31 (in pandas: astype(str))";
    const TIME: &str = "holds times of day; write them as text, such as 12:30:00";
    const INSTANT: &str = "holds timestamps; write them as text, such as 2026-01-31T12:30:00Z (in pandas: \
                           astype(str)), or as whole seconds";
    const DURATION: &str = "holds durations; write them as a number of seconds (in pandas: dt.total_seconds())";
    const BSON: &str = "holds BSON; write one column a value";
    if is_duration {
        return Some(DURATION);
    }
    let info = column.get_basic_info();
    if column.get_physical_type() == parquet::basic::Type::INT96 {
        return Some(INSTANT);
    }
    match (info.logical_type_ref(), info.converted_type()) {
        (Some(LogicalType::Date), _) | (_, ConvertedType::DATE) => Some(DATE),
        (Some(LogicalType::Time(_)), _) | (_, ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS) => Some(TIME),
        (Some(LogicalType::Timestamp(_)), _)
        | (_, ConvertedType::TIMESTAMP_MILLIS | ConvertedType::TIMESTAMP_MICROS) => Some(INSTANT),
        (_, ConvertedType::INTERVAL) => Some(DURATION),
        (Some(LogicalType::Bson), _) | (_, ConvertedType::BSON) => Some(BSON),
        (Some(LogicalType::Uuid), _) => Some("holds UUIDs as bytes; write them as text"),
        (Some(LogicalType::Geometry(_) | LogicalType::Geography(_)), _) => {
            Some("holds shapes as bytes; write them as text (WKT)")
        }
        _ => None,
    }
}

/// Refuses files that would take too much, and codecs that nothing here reads.
pub(super) fn check_row_groups(
    metadata: &ParquetMetaData,
    columns: &[Option<usize>],
    limits: Limits,
) -> Result<(), CorpusError> {
    let all = metadata.file_metadata().schema().get_fields().iter().zip(columns);
    let read: Vec<&str> = all.filter(|(_, index)| index.is_some()).map(|(column, _)| column.name()).collect();
    let is_read = |column: &&ColumnChunkMetaData| {
        column.column_path().parts().first().is_some_and(|name| read.contains(&name.as_str()))
    };
    let mut rows = 0u64;
    for group in metadata.row_groups() {
        rows = rows.saturating_add(u64::try_from(group.num_rows()).unwrap_or(u64::MAX));
        if group.columns().iter().filter(is_read).any(|column| column.uncompressed_size() > MAX_COLUMN_BYTES) {
            let limit = MAX_COLUMN_BYTES >> 20;
            return Err(CorpusError::Parquet(format!(
                "a row group has a column over {limit} MiB; write smaller row groups"
            )));
        }
        if group.columns().iter().filter(is_read).any(|column| matches!(column.compression(), Compression::LZO)) {
            let reason = "it is compressed with LZO; write it with snappy, gzip, brotli, lz4, zstd or no compression";
            return Err(CorpusError::Parquet(reason.to_owned()));
        }
    }
    if rows > limits.records { Err(CorpusError::TooManyRecords { limit: limits.records }) } else { Ok(()) }
}

fn problem(column: &str, problem: String) -> CorpusError {
    CorpusError::Column { column: cut(column, 64), problem }
}
