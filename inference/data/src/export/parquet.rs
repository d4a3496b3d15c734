//! Parquet with Snappy, in row groups that fit into memory anywhere.

use std::io::Write;
use std::sync::Arc;

use datanet_types::schema::FieldKind;
use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::Type;

use super::{Column, ExportError, Row, Value};

/// A row group ends after so many rows, or so many bytes of text.
const ROWS: usize = 20_000;
const BYTES: usize = 32 << 20;

pub(super) struct ParquetWriter<W: Write + Send> {
    columns: Vec<(Column, Buffer)>,
    rows: usize,
    bytes: usize,
    out: SerializedFileWriter<W>,
}

/// The values of one column in the row group under way.
enum Buffer {
    Text(Vec<Option<ByteArray>>),
    Integer(Vec<Option<i64>>),
    Number(Vec<Option<f64>>),
    Boolean(Vec<Option<bool>>),
}

impl<W: Write + Send> ParquetWriter<W> {
    pub(super) fn new(columns: &[Column], out: W) -> Result<Self, ExportError> {
        let fields = columns.iter().map(|column| field(column).map(Arc::new)).collect::<Result<_, _>>()?;
        let schema = Type::group_type_builder("records").with_fields(fields).build()?;
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let out = SerializedFileWriter::new(out, Arc::new(schema), Arc::new(properties))?;
        let columns = columns.iter().map(|column| (column.clone(), Buffer::of(column.kind))).collect();
        Ok(Self { columns, rows: 0, bytes: 0, out })
    }

    pub(super) fn row(&mut self, row: &Row<'_>) -> Result<(), ExportError> {
        for (column, buffer) in &mut self.columns {
            self.bytes += buffer.push(row.value(column)?)?;
        }
        self.rows += 1;
        if self.rows == ROWS || self.bytes >= BYTES { self.flush() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<W, ExportError> {
        self.flush()?;
        Ok(self.out.into_inner()?)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.out.next_row_group()?;
        for (column, buffer) in &mut self.columns {
            buffer.write(&mut group, column.required)?;
        }
        group.close()?;
        (self.rows, self.bytes) = (0, 0);
        Ok(())
    }
}

fn field(column: &Column) -> Result<Type, ExportError> {
    let (physical, logical) = match column.kind {
        FieldKind::String => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        FieldKind::Integer => (Physical::INT64, None),
        FieldKind::Number => (Physical::DOUBLE, None),
        FieldKind::Boolean => (Physical::BOOLEAN, None),
    };
    let repetition = if column.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    let builder = Type::primitive_type_builder(&column.name, physical);
    Ok(builder.with_repetition(repetition).with_logical_type(logical).build()?)
}

impl Buffer {
    fn of(kind: FieldKind) -> Self {
        match kind {
            FieldKind::String => Self::Text(Vec::new()),
            FieldKind::Integer => Self::Integer(Vec::new()),
            FieldKind::Number => Self::Number(Vec::new()),
            FieldKind::Boolean => Self::Boolean(Vec::new()),
        }
    }

    /// Takes a value; how many bytes it holds.
    fn push(&mut self, value: Option<Value<'_>>) -> Result<usize, ExportError> {
        let spelled = match &value {
            Some(Value::Plain(spelled)) => Some(*spelled),
            _ => None,
        };
        match self {
            Self::Text(values) => {
                let text = match value {
                    Some(Value::Text(text)) => Some(ByteArray::from(text.into_bytes())),
                    _ => None,
                };
                let bytes = text.as_ref().map_or(0, ByteArray::len);
                values.push(text);
                return Ok(bytes);
            }
            Self::Integer(values) => values.push(spelled.map(serde_json::from_str).transpose()?),
            // Not by serde_json, whose doubles may be off by their last bit.
            Self::Number(values) => values.push(spelled.and_then(|spelled| spelled.parse().ok())),
            Self::Boolean(values) => values.push(spelled.map(serde_json::from_str).transpose()?),
        }
        Ok(8)
    }

    fn write<W: Write + Send>(
        &mut self,
        group: &mut SerializedRowGroupWriter<'_, W>,
        required: bool,
    ) -> Result<(), ExportError> {
        match self {
            Self::Text(values) => write::<ByteArrayType, W>(group, std::mem::take(values), required),
            Self::Integer(values) => write::<Int64Type, W>(group, std::mem::take(values), required),
            Self::Number(values) => write::<DoubleType, W>(group, std::mem::take(values), required),
            Self::Boolean(values) => write::<BoolType, W>(group, std::mem::take(values), required),
        }
    }
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: Vec<Option<T::T>>,
    required: bool,
) -> Result<(), ExportError> {
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    column.typed::<T>().write_batch(&values, (!required).then_some(levels.as_slice()), None)?;
    Ok(column.close()?)
}
