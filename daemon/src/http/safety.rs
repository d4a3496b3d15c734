//! What each answer says to browsers: that it is what it says it is, is nobody else's to show, and loads and runs nothing that it does not
//! name.

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;

/// Of answers that are no pages: nothing at all.
const NOTHING: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Of the pages at `/docs`, which show the interface with scripts of their own and styles that these set.
const DOCS: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where `/docs` gets its pages from says that it is one of them.
fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("text/html")
}

/// The answer with what it has to say, where it does not say so already.
pub(super) async fn marked(mut response: Response) -> Response {
    let policy = if is_page(&response) { DOCS } else { NOTHING };
    let said = [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in said {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
