//! Free loopback ports. CometBFT cannot report which port it got for 0, so we pick.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// A port that nobody else gets while this value lives.
#[derive(Debug)]
pub struct ReservedPort {
    address: SocketAddr,
    _listener: TcpListener,
}

impl ReservedPort {
    /// Reserves a free port on `ip`.
    ///
    /// # Errors
    /// When none is free, or the address is not this machine's.
    pub fn on(ip: IpAddr) -> std::io::Result<Self> {
        Self::bind(SocketAddr::new(ip, 0))
    }

    /// Reserves exactly this address; port 0 picks one.
    ///
    /// # Errors
    /// When it is in use.
    pub fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        Ok(Self { address: listener.local_addr()?, _listener: listener })
    }

    /// The address; to be used right after this value is dropped.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }
}

/// A loopback port that was free a moment ago. Somebody may take it before it is used: keep a [`ReservedPort`]
/// instead where several are wanted, and be ready to retry.
///
/// # Errors
/// When none is free.
pub fn free_port() -> std::io::Result<u16> {
    Ok(ReservedPort::on(IpAddr::V4(Ipv4Addr::LOCALHOST))?.port())
}

/// Whether somebody listens on `address` now.
pub(super) fn is_taken(address: SocketAddr) -> bool {
    matches!(TcpListener::bind(address), Err(error) if error.kind() == std::io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserved_port_is_taken_until_it_is_dropped() {
        let reserved = ReservedPort::on(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
        let address = reserved.address();
        assert!(is_taken(address));
        drop(reserved);
        assert!(!is_taken(address));
    }
}
