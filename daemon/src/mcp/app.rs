//! The MCP App: a page that shows whose data made an answer, and who was paid.
//!
//! It is one file that loads nothing and calls nobody. What it shows was written by strangers in part, and goes into the
//! page as text, never as markup; its own policy lets no script run but the one that came with it.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{CacheScope, MetaObject, ReadResourceResult, Resource, ResourceContents};
use serde_json::json;
use sha2::{Digest as _, Sha256};

/// The page's address.
pub(super) const URI: &str = "ui://datanet/answer.html";
/// The extension's name.
pub(super) const EXTENSION: &str = "io.modelcontextprotocol/ui";
/// What such pages are.
pub(super) const MIME_TYPE: &str = "text/html;profile=mcp-app";

const TEMPLATE: &str = include_str!("app.html");
const SCRIPT: &str = include_str!("app.js");
const STYLE: &str = include_str!("app.css");

/// The page, with the hashes of its script and style in its policy.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(SCRIPT),
        hash(STYLE)
    );
    TEMPLATE.replace("{{policy}}", &policy).replace("{{style}}", STYLE).replace("{{script}}", SCRIPT)
});

/// Hosts make their own policy of this: no connection, no picture, no frame from anywhere.
fn meta() -> MetaObject {
    let mut meta = MetaObject::new();
    let none: [&str; 0] = [];
    let csp = json!({ "connectDomains": none, "resourceDomains": none, "frameDomains": none, "baseUriDomains": none });
    meta.insert("ui".to_owned(), json!({ "csp": csp, "prefersBorder": true }));
    meta
}

/// The page in the list of resources.
pub(super) fn resource() -> Resource {
    Resource::new(URI, "answer")
        .with_title("Whose data made this answer, and who was paid")
        .with_description("Shows an answer's receipt.")
        .with_mime_type(MIME_TYPE)
        .with_meta(meta())
}

/// The page.
pub(super) fn contents() -> ReadResourceResult {
    let page = ResourceContents::text(PAGE.as_str(), URI).with_mime_type(MIME_TYPE).with_meta(meta());
    ReadResourceResult::new(vec![page]).with_ttl_ms(3_600_000).with_cache_scope(CacheScope::Public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_loads_nothing_and_makes_no_markup_of_what_it_is_given() {
        let page = PAGE.as_str();
        for foreign in ["http:", "https:", "src=", "href=", "url(", "@import", "fetch(", "XMLHttpRequest", "WebSocket"]
        {
            assert!(!page.contains(foreign), "{foreign}");
        }
        for markup in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "Function(",
            "setAttribute",
            "style.",
        ] {
            assert!(!SCRIPT.contains(markup), "{markup}");
        }
        assert!(!SCRIPT.contains("</") && !STYLE.contains("</"), "it would end its own element");
    }

    #[test]
    fn the_policy_is_of_this_very_script_and_style() {
        let between = |from: &str, to: &str| PAGE.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned();
        let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
        assert_eq!(hash(&between("<script>", "</script>")), between("script-src 'sha256-", "'"));
        assert_eq!(hash(&between("<style>", "</style>")), between("style-src 'sha256-", "'"));
    }
}
