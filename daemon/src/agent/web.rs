//! Fetching from hosts that were named, and from nowhere else.
//!
//! Whoever writes a page, runs a name server or answers a redirect is a stranger, and must not make this machine talk to its own
//! network: hosts are on a list; every address that a name leads to must be public; the connection goes to the very addresses that were
//! looked at, so that a name which leads elsewhere a moment later changes nothing; and each redirect begins anew. Sizes and times are bounded.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;

/// Redirects that are followed.
const REDIRECTS: usize = 5;
/// How long one fetch may take, redirects included.
const PATIENCE: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(10);
/// Longest address.
const MAX_URL: usize = 2_048;

/// Why something was not fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebError {
    #[error("{0:?} is no address of the web: {1}")]
    NotAUrl(String, String),
    #[error("only http and https are fetched, not {0}")]
    Scheme(String),
    #[error("an address with a user name or password in it is not fetched")]
    Credentials,
    #[error("host {0} is not on the list; add it to hosts = [...] if you trust what it says and where it leads")]
    Host(String),
    #[error(
        "{host} leads to {address}, which is no public address; feeds come from public hosts alone, and files from folders"
    )]
    Private { host: String, address: IpAddr },
    #[error("{0} leads to no address")]
    NoAddress(String),
    #[error("{0} was redirected more than {most} times", most = REDIRECTS)]
    Redirects(String),
    #[error("{host} answered {status}")]
    Status { host: String, status: u16 },
    #[error("{host} has more than {limit} bytes to say; raise max_bytes if that is meant")]
    TooLong { host: String, limit: u64 },
    #[error("{0} took longer than {most} seconds", most = PATIENCE.as_secs())]
    TimedOut(String),
    #[error("cannot fetch from {host}: {source}")]
    Failed { host: String, source: Box<dyn std::error::Error + Send + Sync> },
}

/// What was fetched.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) bytes: Vec<u8>,
    /// The media type, without parameters, in small letters.
    pub(crate) media_type: String,
    /// Where it was found in the end.
    pub(crate) url: Url,
}

/// An address of a host on the list.
pub(crate) fn checked(url: &str, hosts: &BTreeSet<String>) -> Result<Url, WebError> {
    if url.len() > MAX_URL {
        return Err(WebError::NotAUrl(url.chars().take(60).collect(), format!("it is longer than {MAX_URL} bytes")));
    }
    let parsed = Url::parse(url).map_err(|error| WebError::NotAUrl(url.to_owned(), error.to_string()))?;
    allowed(&parsed, hosts)?;
    Ok(parsed)
}

fn allowed(url: &Url, hosts: &BTreeSet<String>) -> Result<(), WebError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(WebError::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(WebError::Credentials);
    }
    let named = authority(url);
    // The parser has made it small, and Punycode of what is not ASCII.
    if hosts.contains(&named) { Ok(()) } else { Err(WebError::Host(named)) }
}

/// The host, with its port if that is not the scheme's own.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// Whether an address is somebody's on the public network: no private, loopback, link-local, shared, multicast or reserved one, and none
/// that only stands for another.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let reserved = match address.octets() {
        [0 | 10 | 127, ..] | [240..=255, ..] => true,
        [100, second, ..] => (64..128).contains(&second),
        [169, 254, ..] | [192, 168, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => true,
        [198, 51, 100, _] | [203, 0, 113, _] => true,
        [172, second, ..] => (16..32).contains(&second),
        [first, ..] => (224..240).contains(&first),
    };
    !reserved
}

/// Global unicast (2000::/3), but what is for documentation, Teredo, ORCHID, or an IPv4 address in other clothes (6to4).
fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        [0x2001, second, ..] if second < 0x0200 || second == 0x0db8 => false,
        [0x2002, ..] | [0x3fff, ..] => false,
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

/// A builder for clients that leave this machine: with roots of the web, no proxy of the environment, and no redirects of their own.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub(crate) fn client_builder() -> Result<reqwest::ClientBuilder, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(Policy::none())
        .connect_timeout(CONNECT))
}

/// Fetches from hosts of a list.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    hosts: BTreeSet<String>,
    max_bytes: u64,
    /// Which addresses may be talked to: the public ones, but in tests.
    may: fn(IpAddr) -> bool,
}

impl Fetcher {
    /// From these hosts, so many bytes at a time at most.
    pub(crate) fn new(hosts: BTreeSet<String>, max_bytes: u64) -> Self {
        Self { hosts, max_bytes, may: is_public }
    }

    /// The same for a server of a test, which is on this machine.
    #[cfg(test)]
    pub(crate) fn on_loopback(self) -> Self {
        Self { may: |address| address.is_loopback(), ..self }
    }

    /// Fetches `url`.
    ///
    /// # Errors
    /// See [`WebError`].
    pub(crate) async fn fetch(&self, url: &str) -> Result<Fetched, WebError> {
        let url = checked(url, &self.hosts)?;
        let host = authority(&url);
        let fetched = tokio::time::timeout(PATIENCE, self.follow(url)).await;
        fetched.unwrap_or(Err(WebError::TimedOut(host)))
    }

    async fn follow(&self, mut url: Url) -> Result<Fetched, WebError> {
        for _ in 0..=REDIRECTS {
            let response = self.ask(&url).await?;
            let status = response.status();
            let next = response.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            match next {
                Some(to) if status.is_redirection() => {
                    let joined = url.join(to).map_err(|error| WebError::NotAUrl(to.to_owned(), error.to_string()))?;
                    allowed(&joined, &self.hosts)?;
                    url = joined;
                }
                _ if status.is_success() => return self.read(response, url).await,
                _ => return Err(WebError::Status { host: authority(&url), status: status.as_u16() }),
            }
        }
        Err(WebError::Redirects(authority(&url)))
    }

    /// Asks the very addresses that were looked at.
    async fn ask(&self, url: &Url) -> Result<reqwest::Response, WebError> {
        let host = authority(url);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| WebError::Failed { host: host.clone(), source };
        let addresses = self.addresses(url).await?;
        let client = client_builder().map_err(|error| failed(error.into()))?;
        let client = client.resolve_to_addrs(url.host_str().unwrap_or_default(), &addresses);
        let client = client.build().map_err(|error| failed(error.into()))?;
        client.get(url.clone()).send().await.map_err(|error| failed(error.without_url().into()))
    }

    /// The addresses that a host leads to, if all of them may be talked to.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, WebError> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or(443);
        // Brackets are of the address' spelling in a URL.
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let found = tokio::net::lookup_host((name, port)).await;
        let found: Vec<SocketAddr> =
            found.map_err(|error| WebError::Failed { host: host.to_owned(), source: error.into() })?.collect();
        if found.is_empty() {
            return Err(WebError::NoAddress(host.to_owned()));
        }
        match found.iter().find(|address| !(self.may)(address.ip())) {
            Some(address) => Err(WebError::Private { host: host.to_owned(), address: address.ip() }),
            None => Ok(found),
        }
    }

    async fn read(&self, mut response: reqwest::Response, url: Url) -> Result<Fetched, WebError> {
        let host = authority(&url);
        let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let mut bytes = Vec::new();
        loop {
            let piece = response.chunk().await;
            let piece =
                piece.map_err(|error| WebError::Failed { host: host.clone(), source: error.without_url().into() })?;
            let Some(piece) = piece else { return Ok(Fetched { bytes, media_type, url }) };
            if (bytes.len() + piece.len()) as u64 > self.max_bytes {
                return Err(WebError::TooLong { host, limit: self.max_bytes });
            }
            bytes.extend_from_slice(&piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::response::Redirect;
    use axum::routing::get;
    use proptest::prelude::*;

    use super::*;

    fn hosts(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_public_addresses_are_public() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.5",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
        for public in
            ["1.1.1.1", "9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a01:4f8::1", "::ffff:1.1.1.1"]
        {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    proptest! {
        #[test]
        fn what_the_library_calls_private_is_never_public(octets: [u8; 4]) {
            let address = Ipv4Addr::from(octets);
            let private = address.is_private() || address.is_loopback() || address.is_link_local() || address.is_broadcast()
                || address.is_documentation() || address.is_multicast() || address.is_unspecified();
            prop_assert!(!(private && is_public(address.into())));
            prop_assert_eq!(is_public(address.into()), is_public(address.to_ipv6_mapped().into()));
        }

        #[test]
        fn no_text_is_an_address_of_a_host_that_is_not_on_the_list(text in "\\PC{0,60}", rest in "[a-z0-9./@:#?\\\\]{0,20}") {
            for url in [text.clone(), format!("https://{text}"), format!("https://good.example{rest}")] {
                if let Ok(url) = checked(&url, &hosts(&["good.example"])) {
                    prop_assert_eq!(url.host_str().map(|host| host.trim_end_matches('.')), Some("good.example"));
                }
            }
        }
    }

    #[test]
    fn addresses_that_only_look_like_a_listed_host_are_refused() {
        let listed = hosts(&["good.example", "data.example:8443"]);
        for good in [
            "https://good.example/a.jsonl",
            "HTTPS://GOOD.example",
            "https://data.example:8443/x",
            "https://good.example:443/",
        ] {
            checked(good, &listed).unwrap();
        }
        for bad in [
            "https://good.example@evil.example/",
            "https://good.example.evil.example/",
            "https://evil.example/?good.example",
            "https://evil.example#good.example",
            "https://good.example:8080/",
            "https://data.example/",
            "file:///etc/passwd",
            "ftp://good.example/",
            "https://user:secret@good.example/",
            "https://gооd.example/",
            "https://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://[::1]/",
            "javascript:alert(1)",
            "",
            "good.example",
        ] {
            assert!(checked(bad, &listed).is_err(), "{bad}");
        }
    }

    /// A server on loopback: its authority.
    async fn serve(router: Router) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        format!("localhost:{}", address.port())
    }

    #[tokio::test]
    async fn a_listed_name_that_leads_to_this_machine_is_refused() {
        let host = serve(Router::new().route("/", get(|| async { "secret" }))).await;
        let fetcher = Fetcher::new(hosts(&[&host]), 1_000);
        let error = fetcher.fetch(&format!("http://{host}/")).await.unwrap_err();
        assert!(matches!(error, WebError::Private { .. }), "{error}");
    }

    #[tokio::test]
    async fn redirects_are_looked_at_like_everything_else_and_sizes_are_bounded() {
        let elsewhere = serve(Router::new().route("/", get(|| async { "elsewhere" }))).await;
        let to = format!("http://{elsewhere}/");
        let router = Router::new()
            .route("/data", get(|| async { ([("content-type", "application/x-ndjson; charset=utf-8")], "{}\n") }))
            .route("/here", get(|| async { Redirect::temporary("/data") }))
            .route("/round", get(|| async { Redirect::temporary("/round") }))
            .route("/away", get(move || async move { Redirect::temporary(&to) }))
            .route("/file", get(|| async { Redirect::temporary("file:///etc/passwd") }))
            .route("/long", get(|| async { "x".repeat(2_000) }));
        let host = serve(router).await;
        let fetcher = Fetcher::new(hosts(&[&host]), 1_000).on_loopback();
        let fetch = async |path: &str| fetcher.fetch(&format!("http://{host}{path}")).await;
        let data = fetch("/here").await.unwrap();
        assert_eq!((data.bytes.as_slice(), data.media_type.as_str()), (b"{}\n".as_slice(), "application/x-ndjson"));
        assert!(data.url.path() == "/data");
        assert!(matches!(fetch("/away").await.unwrap_err(), WebError::Host(_)));
        assert!(matches!(fetch("/file").await.unwrap_err(), WebError::Scheme(_)));
        assert!(matches!(fetch("/round").await.unwrap_err(), WebError::Redirects(_)));
        assert!(matches!(fetch("/long").await.unwrap_err(), WebError::TooLong { .. }));
        assert!(matches!(fetch("/none").await.unwrap_err(), WebError::Status { status: 404, .. }));
    }
}
