//! Who is called, and from which page: what `Host` and `Origin` say, read into parts and compared by them.
//!
//! Both decide who may speak to a node, so nothing is compared as a text that only begins or ends right.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::uri::Scheme;

/// A host: an address, or a name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// An address.
    Ip(IpAddr),
    /// A name of letters, digits, `-`, `_` and `.`.
    Name(String),
}

/// A host, and a port where one is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The host.
    pub host: Host,
    /// The port.
    pub port: Option<u16>,
}

/// Where a page comes from: `https://app.example`, `app://obsidian.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
}

/// A text that is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("write a host such as node.example, 192.0.2.7 or [2001:db8::7]")]
pub struct NotAHost;

impl Host {
    /// Whether it is this machine by definition: `localhost` or an address of loopback.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.is_loopback(),
            Self::Name(name) => name == "localhost",
        }
    }

    /// Whether it is this very address, perhaps written as IPv6 writes one of IPv4.
    pub fn is(&self, address: IpAddr) -> bool {
        matches!(self, Self::Ip(ip) if ip.to_canonical() == address.to_canonical())
    }

    /// As it stands before a port.
    fn read(text: &str) -> Result<Self, NotAHost> {
        if let Some(rest) = text.strip_prefix('[') {
            let v6 = rest.strip_suffix(']').and_then(|v6| v6.parse::<Ipv6Addr>().ok());
            return v6.map(|v6| Self::Ip(v6.into())).ok_or(NotAHost);
        }
        if let Ok(v4) = text.parse::<std::net::Ipv4Addr>() {
            return Ok(Self::Ip(v4.into()));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_name = text.contains(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(plain);
        if is_name { Ok(Self::Name(text.to_ascii_lowercase())) } else { Err(NotAHost) }
    }
}

impl FromStr for Host {
    type Err = NotAHost;

    /// A host without a port; an IPv6 address with or without brackets.
    fn from_str(text: &str) -> Result<Self, NotAHost> {
        text.parse().map_or_else(|_| Self::read(text), |ip| Ok(Self::Ip(ip)))
    }
}

impl FromStr for Authority {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let parsed: http::uri::Authority = text.parse().map_err(|_| NotAHost)?;
        let (host, port) = (parsed.host(), parsed.port());
        // The parser passes over what stands before a host (a user) and behind it: what it understood must be all.
        let understood = port.as_ref().map_or_else(|| host.to_owned(), |port| format!("{host}:{}", port.as_str()));
        if understood != text {
            return Err(NotAHost);
        }
        Ok(Self { host: Host::read(host)?, port: port.map(|port| port.as_u16()) })
    }
}

impl Authority {
    /// The port, or the one that is meant where none is named.
    fn port_under(&self, scheme: &Scheme) -> Option<u16> {
        let usual = if *scheme == Scheme::HTTP { Some(80) } else { (*scheme == Scheme::HTTPS).then_some(443) };
        self.port.or(usual)
    }
}

impl Origin {
    /// Whether pages of it come from where `called` leads: over HTTP, and from the same port.
    pub fn is_served_by(&self, called: &Authority) -> bool {
        let web = self.scheme == Scheme::HTTP || self.scheme == Scheme::HTTPS;
        let port = |authority: &Authority| authority.port_under(&self.scheme);
        web && self.authority.host == called.host && port(&self.authority) == port(called)
    }

    /// Whether both are one.
    pub fn is(&self, other: &Self) -> bool {
        let port = |origin: &Self| origin.authority.port_under(&origin.scheme);
        self.scheme == other.scheme && self.authority.host == other.authority.host && port(self) == port(other)
    }
}

impl FromStr for Origin {
    type Err = NotAHost;

    fn from_str(text: &str) -> Result<Self, NotAHost> {
        let (scheme, authority) = text.split_once("://").ok_or(NotAHost)?;
        if !scheme.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(NotAHost);
        }
        Ok(Self { scheme: scheme.to_ascii_lowercase().parse().map_err(|_| NotAHost)?, authority: authority.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn called(text: &str) -> Option<(String, Option<u16>)> {
        let authority: Authority = text.parse().ok()?;
        let host = match authority.host {
            Host::Ip(ip) => ip.to_string(),
            Host::Name(name) => name,
        };
        Some((host, authority.port))
    }

    #[test]
    fn hosts_with_and_without_ports_are_read() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "::1", None),
            ("[2001:DB8:0::5]:65535", "2001:db8::5", Some(65_535)),
            ("Node.Example:1", "node.example", Some(1)),
            ("my_host", "my_host", None),
        ] {
            assert_eq!(called(text), Some((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_only_begins_or_ends_like_a_host_is_none() {
        for text in [
            "",
            ":",
            ":80",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]evil.example",
            "[::1].evil.example:80",
            "[::1]:",
            "[::1]:80x",
            "[localhost]",
            "[127.0.0.1]",
            "127.0.0.1:",
            "127.0.0.1:80x",
            "127.0.0.1:65536",
            "127.0.0.1:-1",
            "127.0.0.1: 80",
            "user@127.0.0.1",
            "a:b@127.0.0.1:80",
            "@localhost",
            "localhost/",
            "localhost#",
            "localhost?x",
            "local host",
            " localhost",
            "localhost\t",
            "%6cocalhost",
            "localhost,evil",
            "[fe80::1%25lo]",
            "*",
            ".",
            "a:1:2",
        ] {
            assert_eq!(called(text), None, "{text:?}");
        }
    }

    #[test]
    fn only_loopback_is_loopback() {
        for (text, is) in [
            ("localhost", true),
            ("LocalHost", true),
            ("127.0.0.1", true),
            ("127.9.9.9", true),
            ("::1", true),
            ("[::1]", true),
            ("localhost.", false),
            ("localhost.example", false),
            ("127.1", false),
            ("2130706433", false),
            ("0x7f.0.0.1", false),
            ("0.0.0.0", false),
            ("::", false),
            ("128.0.0.1", false),
            ("[::2]", false),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().is_loopback(), is, "{text}");
        }
    }

    #[test]
    fn an_address_is_itself_in_either_way_of_writing() {
        let mapped: Host = "[::ffff:192.0.2.7]".parse().unwrap();
        assert!(mapped.is("192.0.2.7".parse().unwrap()) && !mapped.is("192.0.2.8".parse().unwrap()));
        assert!(!Host::Name("192.0.2.7".into()).is("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn origins_are_compared_by_their_parts() {
        let origin = |text: &str| text.parse::<Origin>().unwrap();
        for (a, b, same) in [
            ("https://app.example", "HTTPS://App.Example:443", true),
            ("https://app.example", "http://app.example", false),
            ("https://app.example", "https://app.example:444", false),
            ("app://obsidian.md", "app://obsidian.md", true),
            ("app://obsidian.md", "app://obsidian.md.evil.example", false),
            ("chrome-extension://abc", "moz-extension://abc", false),
            ("http://[::1]:5173", "http://[0::1]:5173", true),
        ] {
            assert_eq!(origin(a).is(&origin(b)), same, "{a} {b}");
        }
        for wrong in [
            "null",
            "app",
            "://x",
            "https://",
            "https://a/",
            "https://a/b",
            "file:///",
            "https://*.a",
            "1a://b",
            "a b://c",
        ] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_nodes_own_pages_come_from_where_it_is_called() {
        let served = |origin: &str, host: &str| {
            origin.parse::<Origin>().unwrap().is_served_by(&host.parse::<Authority>().unwrap())
        };
        assert!(served("http://127.0.0.1:1", "127.0.0.1:1") && served("https://node.lan", "node.lan:443"));
        assert!(served("http://localhost", "LOCALHOST") && served("http://[::1]:1", "[0:0::1]:1"));
        assert!(!served("http://127.0.0.1:2", "127.0.0.1:1") && !served("app://127.0.0.1:1", "127.0.0.1:1"));
        assert!(!served("http://localhost:1", "127.0.0.1:1") && !served("http://localhost", "localhost:443"));
    }

    proptest! {
        #[test]
        fn what_is_read_is_all_that_there_is(text in "[\\[\\]:.@/%#?a-f0-9lohst x-]{0,24}") {
            if let Ok(authority) = text.parse::<Authority>() {
                let host = match &authority.host {
                    Host::Ip(IpAddr::V6(_)) => text[..=text.rfind(']').unwrap()].to_owned(),
                    Host::Ip(ip) => ip.to_string(),
                    Host::Name(name) => text[..name.len()].to_owned(),
                };
                let rest = text.strip_prefix(&host).unwrap();
                let port = rest.strip_prefix(':').map(|digits| digits.parse::<u16>().unwrap());
                prop_assert!(port == authority.port && (rest.is_empty() || rest.starts_with(':')), "{text}");
            }
        }

        #[test]
        fn what_is_put_beside_loopback_is_not_loopback(
            host in prop::sample::select(vec!["localhost", "127.0.0.1", "[::1]"]),
            port in prop::option::of(any::<u16>()),
            extra in "[^0-9]{1,6}",
            at_the_end in any::<bool>(),
        ) {
            let whole = port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
            prop_assert!(whole.parse::<Authority>().unwrap().host.is_loopback());
            let text = if at_the_end { format!("{whole}{extra}") } else { format!("{extra}{whole}") };
            let passes = text.parse::<Authority>().is_ok_and(|authority| authority.host.is_loopback());
            prop_assert!(!passes, "{text:?}");
        }
    }
}
