//! `datanet init --public`: the settings of a node that other machines can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, ensure};
use datanet_config::Overrides;

/// The port of gossip, over QUIC and TCP; the interface is on the one before.
const GOSSIP: u16 = 26_681;
/// The port of blobs, UDP.
const BLOBS: u16 = 26_682;
/// CometBFT's usual port for its peers.
const COMET: u16 = 26_656;

/// What to set for a node that is dialled by `host`; by this machine's own address if that is empty.
pub(super) fn settings(host: &str) -> Result<Overrides> {
    let host = if host.is_empty() { own_address()?.to_string() } else { host.to_owned() };
    let ip = host.parse::<IpAddr>();
    let here = host.eq_ignore_ascii_case("localhost") || ip.as_ref().is_ok_and(IpAddr::is_loopback);
    ensure!(!here, "--public {host}: that is this machine alone; name the address or name by which others dial it");
    let (family, all) = match ip {
        Ok(IpAddr::V6(_)) => ("ip6", IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => ("ip4", IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    };
    let external = if family == "ip6" { format!("[{host}]:{COMET}") } else { format!("{host}:{COMET}") };
    Ok(Overrides::new()
        .set("p2p.listen", format!("/{family}/{all}/udp/{GOSSIP}/quic-v1,/{family}/{all}/tcp/{GOSSIP}"))
        .set("p2p.blob_bind", SocketAddr::new(all, BLOBS))
        .set("p2p.announce", &host)
        .set("consensus.p2p_listen", SocketAddr::new(all, COMET))
        .set("consensus.external_address", external))
}

/// The address from which this machine reaches others. Nothing is sent: the system only looks up its way.
fn own_address() -> Result<IpAddr> {
    let unknown = "this machine has no way to others, so its address is unknown; name it: --public HOST";
    let look = |from: IpAddr, to: IpAddr| {
        let socket = UdpSocket::bind(SocketAddr::new(from, 0)).ok()?;
        socket.connect(SocketAddr::new(to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
    };
    // Addresses of documentation: nobody's.
    let v4 = look(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
    v4.or_else(|| look(Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()))
        .context(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(host: &str) -> datanet_config::NodeConfig {
        datanet_config::load(None, std::iter::empty(), &settings(host).unwrap()).unwrap()
    }

    #[test]
    fn what_is_written_listens_everywhere_and_announces_the_host() {
        let config = self::config("203.0.113.7");
        assert_eq!(config.p2p.listen, ["/ip4/0.0.0.0/udp/26681/quic-v1", "/ip4/0.0.0.0/tcp/26681"]);
        assert_eq!(
            (config.p2p.blob_bind.to_string().as_str(), config.p2p.announce[0].as_str()),
            ("0.0.0.0:26682", "203.0.113.7")
        );
        assert_eq!(config.consensus.external_address, "203.0.113.7:26656");
        let config = self::config("2001:db8::7");
        assert_eq!(config.p2p.listen[0], "/ip6/::/udp/26681/quic-v1");
        assert_eq!(config.consensus.external_address, "[2001:db8::7]:26656");
        assert_eq!(self::config("node.example").consensus.external_address, "node.example:26656");
    }

    #[test]
    fn a_host_that_nobody_else_can_dial_is_refused() {
        for host in ["127.0.0.1", "localhost", "::1"] {
            assert!(settings(host).unwrap_err().to_string().contains("this machine alone"), "{host}");
        }
        for host in ["0.0.0.0", "a b", "node.example:1"] {
            let refused = datanet_config::load(None, std::iter::empty(), &settings(host).unwrap());
            assert!(refused.unwrap_err().to_string().contains("p2p.announce"), "{host}");
        }
    }
}
