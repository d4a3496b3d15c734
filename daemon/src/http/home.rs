//! The page at `/`: what this is, for whoever opens the node's address in a browser.
//!
//! It needs no token and so says nothing that others may not know: version, chain and height, which are public, and
//! whether the node is ready, which `/health/ready` says too. It loads nothing, runs nothing, and cannot be framed.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::chain::Chain;
use crate::status::StatusService;
use crate::status::readiness::is_ready;

const PAGE: &str = include_str!("home.html");
const STYLE: &str = include_str!("home.css");
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Nothing is allowed but this page's own style, known by its hash.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// What this is, as a page or, for those who ask for it, as JSON.
pub(super) async fn home(
    State(chain): State<Chain>,
    State(status): State<StatusService>,
    asked: HeaderMap,
) -> Response {
    let checks = status.readiness.checks().await.to_vec();
    let bad: Vec<&str> = checks.iter().filter(|check| !check.ok).map(|check| check.name).collect();
    let (ready, height) = (is_ready(&checks), chain.height());
    let answer = if wants_json(&asked) {
        Json(json!({
            "name": "datanet", "version": VERSION, "chain_id": chain.id(), "height": height, "ready": ready,
            "api": "/v1", "docs": "/docs", "openapi": "/openapi.json", "health": "/health/ready", "metrics": "/metrics",
        }))
        .into_response()
    } else {
        let state = if ready { "ready".to_owned() } else { format!("not ready: {}", bad.join(", ")) };
        Html(page(&state, chain.id(), height)).into_response()
    };
    let headers: [(HeaderName, &str); 6] = [
        (header::CONTENT_SECURITY_POLICY, &POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "accept"),
    ];
    (headers, answer).into_response()
}

fn page(state: &str, chain: &str, height: u64) -> String {
    let height = height.to_string();
    let said = [("{height}", height.as_str()), ("{version}", VERSION), ("{state}", state), ("{chain}", chain)];
    let page = PAGE.replace("{style}", STYLE);
    said.iter().fold(page, |page, (place, text)| page.replace(place, &escaped(text)))
}

/// A text as HTML shows it.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether JSON is asked for, and no less than a page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let (mut json, mut page) = (0.0_f32, 0.0_f32);
    for range in accepted.flat_map(|value| value.split(',')) {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).and_then(|q| q.parse().ok()).unwrap_or(1.0);
        match kind.as_str() {
            "application/json" => json = json.max(quality),
            "text/html" | "application/xhtml+xml" => page = page.max(quality),
            _ => {}
        }
    }
    json > 0.0 && json >= page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_no_text_of_others_as_it_is() {
        let page = page("ready", "<script>&\"{height}", 7);
        assert!(page.contains("&lt;script&gt;&amp;&quot;") && !page.contains("<script"), "{page}");
        assert!(page.contains("<dd>7</dd>") && page.contains(VERSION) && page.contains(STYLE), "{page}");
    }

    #[test]
    fn the_page_loads_and_runs_nothing() {
        for loads in ["<script", "src=", "<link", "://", "url(", "@import", "<form", "onload", "onclick"] {
            assert!(![PAGE, STYLE].iter().any(|text| text.contains(loads)), "{loads}");
        }
        assert!(POLICY.starts_with("default-src 'none'; style-src 'sha256-") && !POLICY.contains("unsafe"));
    }

    #[test]
    fn json_is_for_those_who_ask_for_it() {
        let wants = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            accept.iter().for_each(|value| _ = headers.append(header::ACCEPT, value.parse().unwrap()));
            wants_json(&headers)
        };
        for accept in ["application/json", "Application/JSON; charset=utf-8", "text/html;q=0.5, application/json"] {
            assert!(wants(&[accept]), "{accept}");
        }
        assert!(wants(&["text/plain", "application/json"]));
        for accept in ["", "*/*", "text/html,application/xhtml+xml,*/*;q=0.8", "text/html, application/json;q=0.9"] {
            assert!(!wants(&[accept]), "{accept}");
        }
        assert!(!wants(&[]) && !wants(&["application/json;q=0"]));
    }
}
