//! Protobuf enumerations as words in JSON.

/// Serde for a protobuf enumeration field (`#[serde(with = "...")]`) as the name of its value.
#[macro_export]
macro_rules! enum_text {
    ($module:ident, $enum:ty) => {
        mod $module {
            pub(crate) fn serialize<S: serde::Serializer>(value: &i32, s: S) -> Result<S::Ok, S::Error> {
                let value = <$enum>::try_from(*value).map_err(serde::ser::Error::custom)?;
                serde::Serialize::serialize(&value, s)
            }
            pub(crate) fn deserialize<'de, D: serde::Deserializer<'de>>(d: D) -> Result<i32, D::Error> {
                <$enum as serde::Deserialize>::deserialize(d).map(|value| value as i32)
            }
        }
    };
}
