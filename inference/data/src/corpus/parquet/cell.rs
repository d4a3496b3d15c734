//! Values of Parquet as values of fields: by what they mean, so that a table gives the records that it gives as JSONL.

use parquet::data_type::Decimal;
use parquet::record::Field as Cell;

use crate::corpus::builder::RecordBuilder;
use crate::corpus::error::Fault;

/// Most bytes of a decimal whose digits are read: 38 of them, as many as other systems have.
const DECIMAL_BYTES: usize = 16;
/// Most digits behind its point.
const DECIMAL_SCALE: usize = 38;

/// Gives one cell to the record under way.
pub(super) fn write_cell(builder: &mut RecordBuilder, index: usize, cell: &Cell) -> Result<(), Fault> {
    builder.claim(index)?;
    match cell {
        Cell::Null => Ok(()),
        Cell::Bool(value) => builder.boolean(index, *value),
        Cell::Byte(value) => builder.integer(index, i64::from(*value)),
        Cell::Short(value) => builder.integer(index, i64::from(*value)),
        Cell::Int(value) => builder.integer(index, i64::from(*value)),
        Cell::Long(value) => builder.integer(index, *value),
        Cell::UByte(value) => builder.integer(index, i64::from(*value)),
        Cell::UShort(value) => builder.integer(index, i64::from(*value)),
        Cell::UInt(value) => builder.integer(index, i64::from(*value)),
        // As JSONL has it: a number field takes it, an integer field has 64 bits with their sign.
        Cell::ULong(value) => builder.number(index, &value.to_string(), true),
        Cell::Float16(value) => builder.float(index, value.to_f64()),
        Cell::Float(value) => builder.float(index, f64::from(*value)),
        Cell::Double(value) => builder.float(index, *value),
        Cell::Decimal(value) => match decimal_literal(value) {
            Some(literal) => builder.number(index, &literal, !literal.contains('.')),
            None => Err(builder.field(index).wrong_kind_but("a decimal of over 38 digits", ": write it as a double")),
        },
        Cell::Str(text) => builder.text(index, text),
        // Some writers leave the mark off that a column of bytes is text.
        Cell::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => builder.text(index, text),
            Err(_) => {
                Err(builder.field(index).wrong_kind_but("bytes that are not UTF-8", ": write it as a string column"))
            }
        },
        _ => Err(builder
            .field(index)
            .wrong_kind_but("a date, a time or a nested value", ": write it as a text or a number")),
    }
}

/// A decimal as people write it: all its digits, the point where its scale puts it.
fn decimal_literal(decimal: &Decimal) -> Option<String> {
    let bytes = decimal.data();
    if bytes.len() > DECIMAL_BYTES {
        return None;
    }
    let sign = if bytes.first().is_some_and(|byte| *byte >= 0x80) { 0xFF } else { 0 };
    let mut wide = [sign; DECIMAL_BYTES];
    wide[DECIMAL_BYTES - bytes.len()..].copy_from_slice(bytes);
    let value = i128::from_be_bytes(wide);
    let scale = usize::try_from(decimal.scale()).ok().filter(|scale| *scale <= DECIMAL_SCALE)?;
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let minus = if value < 0 { "-" } else { "" };
    Some(if fraction.is_empty() { format!("{minus}{whole}") } else { format!("{minus}{whole}.{fraction}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_keeps_its_digits() {
        for (unscaled, scale, text) in
            [(12_345, 2, "123.45"), (-5, 3, "-0.005"), (7, 0, "7"), (500, 2, "5.00"), (0, 1, "0.0")]
        {
            assert_eq!(decimal_literal(&Decimal::from_i32(unscaled, 9, scale)).unwrap(), text);
        }
        let wide = Decimal::from_bytes(vec![0xFF, 0x85].into(), 4, 1);
        assert_eq!(decimal_literal(&wide).unwrap(), "-12.3");
        assert_eq!(decimal_literal(&Decimal::from_bytes(vec![1; 17].into(), 40, 1)), None);
    }
}
