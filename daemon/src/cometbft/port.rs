//! The port on which CometBFT's peers connect. CometBFT cannot report which one it got for 0, so we pick.

use std::net::{SocketAddr, TcpListener};

/// `address` with a port that is free at this moment, picked if it is 0. It is let go of before CometBFT binds it, so somebody
/// may come between: be ready to pick again.
///
/// # Errors
/// When the port named is in use, or the address is not this machine's.
pub(super) fn pick(address: SocketAddr) -> std::io::Result<SocketAddr> {
    TcpListener::bind(address)?.local_addr()
}

/// Whether somebody listens on `address` now.
pub(super) fn is_taken(address: SocketAddr) -> bool {
    matches!(TcpListener::bind(address), Err(error) if error.kind() == std::io::ErrorKind::AddrInUse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picked_port_is_free_until_somebody_listens_there() {
        let address = pick(([127, 0, 0, 1], 0).into()).unwrap();
        assert!(address.port() != 0 && !is_taken(address));
        let listener = TcpListener::bind(address).unwrap();
        assert!(is_taken(address));
        assert_eq!(pick(address).unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(pick(address).unwrap(), address);
    }
}
