//! JSON in one spelling: the JSON Canonicalization Scheme (RFC 8785), for what is hashed or signed.
//!
//! The crates that do this switch on `serde_json/float_roundtrip` for the whole program, which reads every number of every request otherwise, for
//! the sake of fractions; nothing that is signed here has any. Strings are written by `serde_json` as that RFC has them.

use serde_json::Value;

/// `value` without white space, fields in the order of their names' UTF-16. Fractions are as `serde_json` writes them, which is one spelling too, but
/// not that of the RFC.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.encode_utf16().cmp(b.0.encode_utf16()));
            let fields: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), canonical(value)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8785, sections 3.2.2 and 3.2.3, without the fractions.
    #[test]
    fn names_are_in_the_order_of_the_rfc_and_strings_in_its_spelling() {
        let sorted = r#"{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}"#;
        let value: Value = serde_json::from_str(sorted).unwrap();
        let names = ["Carriage Return", "One", "Control", "Latin Small", "Euro Sign", "Emoji", "Hebrew"];
        let written = canonical(&value);
        let places: Vec<usize> = names.iter().map(|name| written.find(name).unwrap()).collect();
        assert!(places.is_sorted(), "{written}");
        let value: Value = serde_json::from_str(
            r#"{ "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false] }"#,
        )
        .unwrap();
        let expected = "{\"literals\":[null,true,false],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}";
        assert_eq!(canonical(&value), expected);
    }
}
