//! Query strings.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::words::read;
use crate::error::{Code, ServiceError, ServiceResult};

/// A query string. A parameter without a value is as good as none: forms and clients send those they have nothing for.
pub(in crate::http) struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ServiceError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ServiceError> {
        parse(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn parse<T: DeserializeOwned>(query: &str) -> ServiceResult<T> {
    let has_value = |pair: &&str| pair.split_once('=').is_some_and(|(_, value)| !value.is_empty());
    let given = query.split('&').filter(has_value).collect::<Vec<_>>().join("&");
    read(serde_urlencoded::Deserializer::new(form_urlencoded::parse(given.as_bytes())), Code::BadQuery)
}

/// What the parameter `name` says, or what it is where nobody says anything.
///
/// # Errors
/// When it is out of `range`.
pub(in crate::http) fn within<N: PartialOrd + Display>(
    name: &'static str,
    given: Option<N>,
    usual: N,
    range: RangeInclusive<N>,
) -> ServiceResult<N> {
    match given {
        None => Ok(usual),
        Some(number) if range.contains(&number) => Ok(number),
        Some(number) => {
            let (least, most) = range.into_inner();
            let detail = format!("{name:?} is {number}; it takes a whole number from {least} to {most}");
            Err(ServiceError::new(Code::BadQuery, detail).about(name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Page {
        limit: Option<u64>,
    }

    fn refused(query: &str) -> String {
        let error = parse::<Page>(query).unwrap_err();
        assert_eq!((error.code, error.param.as_deref()), (Code::BadQuery, Some("limit")), "{error}");
        error.detail
    }

    #[test]
    fn a_parameter_is_given_once_and_is_a_number_that_fits() {
        assert_eq!(parse::<Page>("limit=&limit=3").unwrap(), Page { limit: Some(3) });
        assert!(refused("limit=1&limit=2").contains("\"limit\" is given twice"));
        assert!(refused("limit=99999999999999999999").contains("too large"));
        assert!(refused("limit=-1").contains("takes a whole number"));
    }

    #[test]
    fn a_number_out_of_range_is_told_the_range() {
        assert_eq!(within("limit", None, 10, 1..=100).unwrap(), 10);
        assert_eq!(within("limit", Some(100), 10, 1..=100).unwrap(), 100);
        for number in [0, 101] {
            let error = within("limit", Some(number), 10, 1..=100).unwrap_err();
            assert_eq!(error.detail, format!("\"limit\" is {number}; it takes a whole number from 1 to 100"));
        }
    }
}
