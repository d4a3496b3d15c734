//! Bodies of requests.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::fields::{Fields, check};
use super::json::parse;
use super::words::{cut, read};
use crate::error::{Code, ServiceError, ServiceResult};
use crate::http::encoding::BodyDecoder;

/// The largest body, in bytes: `api.max_body_bytes`. Rides with each request, for the refusal to name.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct BodyLimit(pub u64);

/// A JSON body. A field that is null is as good as absent, and a whole number may be written as one with a point
/// (64.0): clients of dynamic languages do both without their users' doing.
pub(in crate::http) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ServiceError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ServiceError> {
        read(Value::Object(object(request, state).await?), Code::BadField).map(Self)
    }
}

/// A request in one of OpenAI's shapes: many a client sends fields that this node has never heard of, so each field has
/// a fate of its own.
pub(in crate::http) trait Shape: DeserializeOwned {
    /// All fields and what becomes of them.
    const FIELDS: Fields;

    /// Reads the request once its fields are known to be taken.
    fn shaped(body: Map<String, Value>) -> ServiceResult<Self> {
        read(Value::Object(body), Code::BadField)
    }
}

/// A JSON body in one of OpenAI's shapes.
pub(in crate::http) struct Shaped<T>(pub T);

impl<T: Shape, S: Send + Sync> FromRequest<S> for Shaped<T> {
    type Rejection = ServiceError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ServiceError> {
        let body = object(request, state).await?;
        check(&T::FIELDS, &body)?;
        T::shaped(body).map(Self)
    }
}

/// A body as bytes, up to the general limit, also where it comes packed.
pub(in crate::http) struct Raw(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = ServiceError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ServiceError> {
        let limit = request.extensions().get::<BodyLimit>().copied();
        let decoder = BodyDecoder::of(request.headers())?;
        let size =
            request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()).map(str::to_owned);
        match Bytes::from_request(request, state).await {
            Ok(bytes) => unpacked(bytes, decoder, limit).map(Self),
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(too_large(size, limit)),
            Err(_) => Err(ServiceError::new(Code::BodyBrokeOff, "the body broke off before its end; send it again")),
        }
    }
}

/// The body as it was before it was packed; never more than the limit.
fn unpacked(bytes: Bytes, mut decoder: BodyDecoder, limit: Option<BodyLimit>) -> ServiceResult<Bytes> {
    if !decoder.unpacks() {
        return Ok(bytes);
    }
    let broken = |error: ServiceError| ServiceError::new(Code::BadBody, error.detail);
    let most = limit.map_or(u64::MAX, |BodyLimit(limit)| limit);
    let mut body = Vec::new();
    for piece in decoder.pieces(bytes) {
        body.extend_from_slice(&decoder.decode(piece).map_err(broken)?);
        if body.len() as u64 > most {
            return Err(too_large(None, limit));
        }
    }
    body.extend_from_slice(&decoder.finish().map_err(broken)?);
    if body.len() as u64 > most { Err(too_large(None, limit)) } else { Ok(body.into()) }
}

fn too_large(size: Option<String>, limit: Option<BodyLimit>) -> ServiceError {
    let size = size.map_or_else(|| "more bytes".to_owned(), |size| format!("{size} bytes, more"));
    let limit = limit.map_or_else(String::new, |BodyLimit(limit)| format!("the {limit} of "));
    let detail = format!("the body has {size} than {limit}api.max_body_bytes; send less at a time, or raise that key");
    ServiceError::new(Code::BodyTooLarge, detail)
}

async fn object<S: Send + Sync>(request: Request, state: &S) -> ServiceResult<Map<String, Value>> {
    check_media_type(request.headers())?;
    let Raw(bytes) = Raw::from_request(request, state).await?;
    object_in(&bytes)
}

/// The object that a JSON body is.
pub(in crate::http) fn object_in(bytes: &[u8]) -> ServiceResult<Map<String, Value>> {
    match normalised(parse(bytes)?) {
        Value::Object(fields) => Ok(fields),
        Value::Array(_) => Err(ServiceError::new(Code::BadField, "the body is a list; send an object")),
        other => {
            let detail = format!("the body is {}; send an object", cut(&other.to_string()));
            Err(ServiceError::new(Code::BadField, detail))
        }
    }
}

fn check_media_type(headers: &HeaderMap) -> ServiceResult<()> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return check_charset(given);
    }
    let given = if given.is_empty() { "no Content-Type".to_owned() } else { format!("Content-Type {:?}", cut(given)) };
    let detail = format!("the body comes with {given}; send JSON, with `Content-Type: application/json`");
    Err(ServiceError::new(Code::UnsupportedMediaType, detail))
}

/// JSON is UTF-8, and what else is announced would be misread.
fn check_charset(media_type: &str) -> ServiceResult<()> {
    let parameters = media_type.split(';').skip(1).filter_map(|parameter| parameter.trim().split_once('='));
    let charset = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    for (_, charset) in charset {
        let charset = charset.trim().trim_matches('"');
        if !["utf-8", "utf8", "us-ascii"].iter().any(|fine| charset.eq_ignore_ascii_case(fine)) {
            let detail = format!("the body comes in the charset {:?}; send JSON in UTF-8", cut(charset));
            return Err(ServiceError::new(Code::UnsupportedMediaType, detail));
        }
    }
    Ok(())
}

/// A member of an object that is read. A JSON Schema is somebody's own words, in which null is a value.
fn member((name, value): (String, Value)) -> (String, Value) {
    let value = match (name.as_str(), value) {
        ("json_schema", Value::Object(format)) => {
            let as_it_is =
                |(name, value): (String, Value)| if name == "schema" { (name, value) } else { member((name, value)) };
            let set = format.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(as_it_is).collect())
        }
        (_, value) => normalised(value),
    };
    (name, value)
}

/// The same without members that are null, and with 64.0 as 64.
fn normalised(value: Value) -> Value {
    /// From here on not every whole number is one of JSON's, so that a number with a point may have been another.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Object(fields) => {
            let set = fields.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(set.map(member).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normalised).collect()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => (float as i64).into(),
            _ => Value::Number(number),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Chat {
        messages: Vec<u32>,
        share: Option<f64>,
        inner: Option<Map<String, Value>>,
    }

    async fn sent(media_type: &str, body: &str) -> ServiceResult<Chat> {
        let request = Request::builder().header("content-type", media_type).body(body.to_owned().into()).unwrap();
        Body::<Chat>::from_request(request, &()).await.map(|Body(chat)| chat)
    }

    async fn refused(body: &str) -> ServiceError {
        sent("application/json", body).await.unwrap_err()
    }

    #[test]
    fn a_schema_is_passed_on_to_the_letter() {
        let schema = r#"{"const":null,"properties":{"a":{"enum":[null,1.0]},"json_schema":{"schema":null}}}"#;
        let format = format!(r#"{{"type":"json_schema","x":null,"json_schema":{{"strict":null,"schema":{schema}}}}}"#);
        let read = Value::Object(object_in(format!(r#"{{"response_format":{format}}}"#).as_bytes()).unwrap());
        assert_eq!(read["response_format"]["json_schema"].to_string(), format!(r#"{{"schema":{schema}}}"#));
        assert!(read["response_format"].get("x").is_none());
    }

    #[tokio::test]
    async fn a_body_that_does_not_read_is_told_why_and_where() {
        let missing = refused(r#"{"share": 1}"#).await;
        assert_eq!((missing.code, missing.param.as_deref()), (Code::BadField, Some("messages")));
        let broken = refused(r#"{"share": "#).await;
        assert!(broken.code == Code::BadBody && broken.detail.contains("ends in the middle"), "{broken}");
        let deep = refused(r#"{"messages": [1, "x"]}"#).await;
        assert_eq!(deep.detail, "\"messages[1]\" is the text \"x\"; it takes a whole number from 0 to 4294967295");
        assert!(refused(" \n").await.detail.contains("empty"));
        assert!(refused("[1]").await.detail.contains("a list"));
        assert!(refused("\"hi\"").await.detail.contains("send an object"));
        let null = refused(r#"{"messages": null}"#).await;
        assert_eq!(null.detail, "\"messages\" is missing");
    }

    #[tokio::test]
    async fn null_is_absent_and_a_whole_number_may_have_a_point() {
        let read =
            sent("application/json", r#"{"messages": [64.0, 1e2], "share": null, "inner": {"a": null, "b": 2.0}}"#);
        let read = read.await.unwrap();
        assert_eq!((read.messages, read.share), (vec![64, 100], None));
        assert_eq!(Value::Object(read.inner.unwrap()), json!({ "b": 2 }));
        let fraction = refused(r#"{"messages": [64.5]}"#).await;
        assert!(fraction.detail.contains("is 64.5; it takes a whole number"), "{fraction}");
    }

    #[tokio::test]
    async fn json_is_taken_by_any_of_its_names() {
        let body = "\u{feff}{\"messages\": []}";
        for media_type in ["application/json", "APPLICATION/JSON; charset=utf-8", "application/vnd.api+json"] {
            assert!(sent(media_type, body).await.is_ok(), "{media_type}");
        }
        for media_type in ["text/plain", "application/jsonp", "image/x+json", ""] {
            let error = sent(media_type, body).await.unwrap_err();
            assert_eq!(error.code, Code::UnsupportedMediaType, "{media_type}");
        }
    }

    #[tokio::test]
    async fn other_charsets_are_named() {
        for charset in ["utf-16", "\"UTF-16LE\"", "latin1"] {
            let error = sent(&format!("application/json; charset={charset}"), r#"{"messages": []}"#).await.unwrap_err();
            assert_eq!(error.code, Code::UnsupportedMediaType);
            assert!(error.detail.contains("UTF-8") && error.detail.contains(charset.trim_matches('"')), "{error}");
        }
    }

    async fn coded(coding: &str, body: Vec<u8>) -> ServiceResult<Chat> {
        let request = Request::builder().header("content-type", "application/json").header("content-encoding", coding);
        let request = request.extension(BodyLimit(100_000)).body(body.into()).unwrap();
        Body::<Chat>::from_request(request, &()).await.map(|Body(chat)| chat)
    }

    #[tokio::test]
    async fn a_packed_body_is_unpacked_within_the_limit_and_any_other_coding_is_named() {
        let packed = |body: &str| {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            std::io::Write::write_all(&mut encoder, body.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let body = r#"{"messages": [1]}"#;
        assert_eq!(coded("gzip", packed(body)).await.unwrap().messages, [1]);
        let bomb = coded("gzip", packed(&" ".repeat(50_000_000))).await.unwrap_err();
        assert_eq!(bomb.code, Code::BodyTooLarge);
        let plain = coded("gzip", body.into()).await.unwrap_err();
        assert!(plain.code == Code::BadBody && plain.detail.contains("not whole gzip data"), "{plain}");
        for coding in ["deflate", "br"] {
            let error = coded(coding, body.into()).await.unwrap_err();
            assert!(error.detail.contains(coding) && error.detail.contains("gzip"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_says_how_large_it_may_be_and_where_that_stands() {
        let request = Request::builder().header("content-length", "3000000").extension(BodyLimit(2_097_152));
        let error = Raw::from_request(request.body(vec![b' '; 3_000_000].into()).unwrap(), &()).await.err().unwrap();
        assert_eq!(error.code, Code::BodyTooLarge);
        for part in ["3000000 bytes", "2097152", "api.max_body_bytes"] {
            assert!(error.detail.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn numbers_keep_their_value(number in any::<f64>().prop_filter("JSON has it", |number| number.is_finite())) {
            let read = normalised(json!(number)).as_f64().unwrap();
            prop_assert!(read == number);
        }
    }
}
