//! The HTTP client for this machine's own services: a node's API, and CometBFT's RPC on its socket.

use std::sync::Arc;

/// A builder for clients that speak plain HTTP to loopback, or to a Unix socket.
///
/// Another crate of the build turns on `reqwest`'s TLS without a crypto provider, and then building a client panics
/// unless it is told of one. These clients never use TLS, so they get one that trusts nobody: this also saves
/// reading the system's certificates for every client. A proxy of the environment is ignored.
///
/// # Errors
/// When the TLS library refuses its own defaults.
pub fn client_builder() -> Result<reqwest::ClientBuilder, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Ok(reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy())
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_client_can_be_built() {
        super::client_builder().unwrap().build().unwrap();
    }
}
