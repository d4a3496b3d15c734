//! Tensors and their element types.

use bytes::Bytes;

use super::model::StringStringEntryProto;

/// Element types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
#[expect(missing_docs, reason = "the names are the standard's own and say what they are")]
pub enum DataType {
    Undefined = 0,
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Uint16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    Uint32 = 12,
    Uint64 = 13,
    Complex64 = 14,
    Complex128 = 15,
    Bfloat16 = 16,
    Float8e4m3fn = 17,
    Float8e4m3fnuz = 18,
    Float8e5m2 = 19,
    Float8e5m2fnuz = 20,
    Uint4 = 21,
    Int4 = 22,
    Float4e2m1 = 23,
    Float8e8m0 = 24,
    Uint2 = 25,
    Int2 = 26,
}

impl DataType {
    /// Bits of one element; `None` for strings and the undefined type, which have no fixed width.
    pub fn bits(self) -> Option<u64> {
        Some(match self {
            Self::Undefined | Self::String => return None,
            Self::Uint2 | Self::Int2 => 2,
            Self::Uint4 | Self::Int4 | Self::Float4e2m1 => 4,
            Self::Uint8 | Self::Int8 | Self::Bool => 8,
            Self::Float8e4m3fn | Self::Float8e4m3fnuz => 8,
            Self::Float8e5m2 | Self::Float8e5m2fnuz | Self::Float8e8m0 => 8,
            Self::Uint16 | Self::Int16 | Self::Float16 | Self::Bfloat16 => 16,
            Self::Float | Self::Int32 | Self::Uint32 => 32,
            Self::Double | Self::Int64 | Self::Uint64 | Self::Complex64 => 64,
            Self::Complex128 => 128,
        })
    }
}

/// Where a tensor's bytes lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum DataLocation {
    /// In the message.
    Default = 0,
    /// In another file, named by `external_data`.
    External = 1,
}

/// A dense tensor.
#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorProto {
    /// Shape, outermost axis first.
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    /// Element type, a [`DataType`].
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    /// Part of a larger tensor (hardly ever used).
    #[prost(message, optional, tag = "3")]
    pub segment: Option<tensor_proto::Segment>,
    /// Elements of float and complex64 tensors.
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Elements of 32-bit and narrower integer, bool and 16-bit float tensors.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    /// Elements of string tensors.
    #[prost(bytes = "bytes", repeated, tag = "6")]
    pub string_data: Vec<Bytes>,
    /// Elements of int64 tensors.
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    /// Name.
    #[prost(string, tag = "8")]
    pub name: String,
    /// Free text.
    #[prost(string, tag = "12")]
    pub doc_string: String,
    /// Elements as little-endian bytes, the usual form.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub raw_data: Option<Bytes>,
    /// Where the bytes lie in another file: `location`, `offset`, `length`, `checksum`.
    #[prost(message, repeated, tag = "13")]
    pub external_data: Vec<StringStringEntryProto>,
    /// A [`DataLocation`].
    #[prost(enumeration = "DataLocation", tag = "14")]
    pub data_location: i32,
    /// Elements of double and complex128 tensors.
    #[prost(double, repeated, tag = "10")]
    pub double_data: Vec<f64>,
    /// Elements of uint32 and uint64 tensors.
    #[prost(uint64, repeated, tag = "11")]
    pub uint64_data: Vec<u64>,
    /// Named remarks.
    #[prost(message, repeated, tag = "16")]
    pub metadata_props: Vec<StringStringEntryProto>,
}

/// The parts of a [`TensorProto`].
pub mod tensor_proto {
    /// Bounds of a part.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, prost::Message)]
    pub struct Segment {
        /// First element.
        #[prost(int64, tag = "1")]
        pub begin: i64,
        /// One past the last element.
        #[prost(int64, tag = "2")]
        pub end: i64,
    }
}

impl TensorProto {
    /// A tensor whose elements are the little-endian bytes `raw`.
    pub fn from_raw(name: &str, element: DataType, dims: &[i64], raw: Bytes) -> Self {
        Self {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: element.into(),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// A float tensor.
    pub fn from_f32(name: &str, dims: &[i64], values: &[f32]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::from_raw(name, DataType::Float, dims, raw)
    }

    /// An integer tensor.
    pub fn from_i64(name: &str, dims: &[i64], values: &[i64]) -> Self {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self::from_raw(name, DataType::Int64, dims, raw)
    }

    /// A tensor whose `length` bytes lie at `offset` of the file `location`, a path relative to the model's folder.
    ///
    /// Only for graphs built here and handed straight to the runtime: models that come from elsewhere may not refer
    /// to files.
    pub fn external(name: &str, element: DataType, dims: &[i64], location: &str, offset: u64, length: u64) -> Self {
        let entry = |key: &str, value: String| StringStringEntryProto { key: key.to_owned(), value };
        Self {
            name: name.to_owned(),
            dims: dims.to_vec(),
            data_type: element.into(),
            data_location: DataLocation::External.into(),
            external_data: vec![
                entry("location", location.to_owned()),
                entry("offset", offset.to_string()),
                entry("length", length.to_string()),
            ],
            ..Self::default()
        }
    }

    /// The elements of an int64, int32 or bool tensor that lie in the message; `None` for others and where their
    /// number is not what the shape calls for.
    pub fn to_i64(&self) -> Option<Vec<i64>> {
        let elements = usize::try_from(self.elements()?).ok()?;
        let element = DataType::try_from(self.data_type).ok()?;
        let values: Vec<i64> = match (&self.raw_data, element) {
            (Some(raw), DataType::Int64) => raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
            (Some(raw), DataType::Int32) => {
                raw.as_chunks().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect()
            }
            (Some(raw), DataType::Bool) => raw.iter().map(|byte| i64::from(*byte != 0)).collect(),
            (None, DataType::Int64) => self.int64_data.clone(),
            (None, DataType::Int32 | DataType::Bool) => self.int32_data.iter().map(|value| i64::from(*value)).collect(),
            _ => return None,
        };
        (values.len() == elements && !self.is_external()).then_some(values)
    }

    /// The elements of a float tensor (32 or 16 bits, also bfloat16) that lie in the message, as `f32`; `None` for
    /// others and where their number is not what the shape calls for.
    pub fn to_f32(&self) -> Option<Vec<f32>> {
        let elements = usize::try_from(self.elements()?).ok()?;
        let element = DataType::try_from(self.data_type).ok()?;
        let narrow = |bits: u16| match element {
            DataType::Float16 => half::f16::from_bits(bits).to_f32(),
            _ => half::bf16::from_bits(bits).to_f32(),
        };
        let values: Vec<f32> = match (&self.raw_data, element) {
            (Some(raw), DataType::Float) => raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect(),
            (Some(raw), DataType::Float16 | DataType::Bfloat16) => {
                raw.as_chunks().0.iter().map(|bytes| narrow(u16::from_le_bytes(*bytes))).collect()
            }
            (None, DataType::Float) => self.float_data.clone(),
            (None, DataType::Float16 | DataType::Bfloat16) => {
                self.int32_data.iter().map(|bits| u16::try_from(*bits).map(narrow)).collect::<Result<_, _>>().ok()?
            }
            _ => return None,
        };
        (values.len() == elements && !self.is_external()).then_some(values)
    }

    /// Whether the elements lie in another file.
    pub fn is_external(&self) -> bool {
        self.data_location == i32::from(DataLocation::External) || !self.external_data.is_empty()
    }

    /// Elements that the shape calls for; `None` for negative axes and products that overflow.
    pub fn elements(&self) -> Option<u64> {
        self.dims.iter().try_fold(1u64, |product, dim| product.checked_mul(u64::try_from(*dim).ok()?))
    }

    /// Bytes that the declared shape and element type call for; `None` for strings, unknown types, negative axes and
    /// sizes that overflow.
    pub fn declared_bytes(&self) -> Option<u64> {
        let bits = DataType::try_from(self.data_type).ok()?.bits()?;
        Some(self.elements()?.checked_mul(bits)?.div_ceil(8))
    }
}

/// A sparse tensor in coordinate form.
#[derive(Clone, PartialEq, prost::Message)]
pub struct SparseTensorProto {
    /// The elements that are not zero, `[n]`.
    #[prost(message, optional, tag = "1")]
    pub values: Option<TensorProto>,
    /// Their positions, `[n]` linear or `[n, rank]`.
    #[prost(message, optional, tag = "2")]
    pub indices: Option<TensorProto>,
    /// Dense shape.
    #[prost(int64, repeated, packed = "false", tag = "3")]
    pub dims: Vec<i64>,
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;

    #[test]
    fn raw_data_is_little_endian_and_survives_a_round_trip() {
        let tensor = TensorProto::from_f32("x", &[2], &[1.0, -2.0]);
        assert_eq!(tensor.raw_data.as_deref(), Some(&[0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0][..]));
        assert_eq!(TensorProto::decode(tensor.encode_to_vec().as_slice()).unwrap(), tensor);
    }

    #[test]
    fn absurd_shapes_have_no_size() {
        let huge = TensorProto { dims: vec![i64::MAX, 8], data_type: DataType::Float.into(), ..Default::default() };
        assert_eq!(huge.declared_bytes(), None);
        let negative = TensorProto { dims: vec![-1], data_type: DataType::Float.into(), ..Default::default() };
        assert_eq!(negative.declared_bytes(), None);
        assert_eq!(TensorProto::from_f32("x", &[2, 3], &[0.0; 6]).declared_bytes(), Some(24));
    }
}
