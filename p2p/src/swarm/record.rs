//! The node record: what a node tells its neighbours about itself, and the protocol that asks for it.
//!
//! A record travels only over the authenticated connection of the node it describes, and names that node's key, so it
//! needs no signature; the receiver refuses a record whose key is not the connection's.
//!
//! Layout (integers big-endian): version `1` (1 byte), node key (32), count of blob addresses (1), each `4|6` and 4 or
//! 16 address bytes and a port (2); count of multiaddrs (1), each a length (2) and its binary form; length (2) of the
//! application part and its bytes.

use std::io;
use std::net::{IpAddr, SocketAddr};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{Multiaddr, StreamProtocol, request_response};

use crate::{MAX_APP_RECORD_BYTES, NodeKey};

/// Name of the protocol.
pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/datanet/node-record/1");

const VERSION: u8 = 1;
/// Most addresses of each kind in a record.
pub(super) const MAX_ADDRS: usize = 8;
const MAX_MULTIADDR_BYTES: usize = 256;
/// Longest encoding: header, blob addresses, multiaddrs, application part.
const MAX_BYTES: usize =
    1 + 32 + 1 + MAX_ADDRS * 19 + 1 + MAX_ADDRS * (2 + MAX_MULTIADDR_BYTES) + 2 + MAX_APP_RECORD_BYTES;

/// What a node tells its neighbours about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord {
    /// The node's public key.
    pub node_key: NodeKey,
    /// Where its blob endpoint listens; an unspecified IP stands for the one it is connected from.
    pub blob_addrs: Vec<SocketAddr>,
    /// The multiaddrs its swarm listens on.
    pub listen: Vec<Multiaddr>,
    /// Opaque bytes of the application.
    pub app: Vec<u8>,
}

impl NodeRecord {
    /// The binary form. Addresses beyond the bounds are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&self.node_key);
        let blob_addrs = &self.blob_addrs[..self.blob_addrs.len().min(MAX_ADDRS)];
        out.push(blob_addrs.len() as u8);
        for addr in blob_addrs {
            match addr.ip() {
                IpAddr::V4(ip) => {
                    out.push(4);
                    out.extend_from_slice(&ip.octets());
                }
                IpAddr::V6(ip) => {
                    out.push(6);
                    out.extend_from_slice(&ip.octets());
                }
            }
            out.extend_from_slice(&addr.port().to_be_bytes());
        }
        let fits = |addr: &&Multiaddr| addr.len() <= MAX_MULTIADDR_BYTES;
        let listen: Vec<_> = self.listen.iter().filter(fits).take(MAX_ADDRS).collect();
        out.push(listen.len() as u8);
        for addr in listen {
            out.extend_from_slice(&(addr.len() as u16).to_be_bytes());
            out.extend_from_slice(addr.as_ref());
        }
        let app = &self.app[..self.app.len().min(MAX_APP_RECORD_BYTES)];
        out.extend_from_slice(&(app.len() as u16).to_be_bytes());
        out.extend_from_slice(app);
        out
    }

    /// Reads the binary form; `None` for anything but exactly one well-formed record within its bounds.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut input = Input(bytes);
        if input.u8()? != VERSION {
            return None;
        }
        let node_key = input.array()?;
        let blob_addrs = (0..input.count()?).map(|_| input.socket_addr()).collect::<Option<_>>()?;
        let listen = (0..input.count()?).map(|_| input.multiaddr()).collect::<Option<_>>()?;
        let app = input.bytes(MAX_APP_RECORD_BYTES)?.to_vec();
        input.0.is_empty().then_some(Self { node_key, blob_addrs, listen, app })
    }

    /// The blob addresses as seen from a connection with `remote`: an unspecified IP becomes the remote's, and another
    /// machine's loopback is left out.
    pub(super) fn reachable_blob_addrs(&self, remote: Option<IpAddr>) -> Vec<SocketAddr> {
        let resolve = |addr: &SocketAddr| match (addr.ip().is_unspecified(), remote) {
            (false, Some(ip)) if addr.ip().is_loopback() && !ip.is_loopback() => None,
            (false, _) => Some(*addr),
            (true, Some(ip)) if ip.is_ipv4() == addr.is_ipv4() => Some(SocketAddr::new(ip, addr.port())),
            (true, _) => None,
        };
        let mut addrs: Vec<_> = self.blob_addrs.iter().filter_map(resolve).collect();
        addrs.sort_unstable();
        addrs.dedup();
        addrs
    }
}

/// The rest of a record that is being read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn count(&mut self) -> Option<usize> {
        Some(usize::from(self.u8()?)).filter(|count| *count <= MAX_ADDRS)
    }

    fn bytes(&mut self, max: usize) -> Option<&'a [u8]> {
        let len = usize::from(u16::from_be_bytes(self.array()?));
        if len > max {
            return None;
        }
        self.take(len)
    }

    fn socket_addr(&mut self) -> Option<SocketAddr> {
        let ip = match self.u8()? {
            4 => IpAddr::from(self.array::<4>()?),
            6 => IpAddr::from(self.array::<16>()?),
            _ => return None,
        };
        Some(SocketAddr::new(ip, u16::from_be_bytes(self.array()?)))
    }

    fn multiaddr(&mut self) -> Option<Multiaddr> {
        Multiaddr::try_from(self.bytes(MAX_MULTIADDR_BYTES)?.to_vec()).ok()
    }
}

/// Asks for the other side's record; carries nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordRequest;

/// Wire form: an empty request; a response that is one record, closed by the end of the stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecordCodec;

impl request_response::Codec for RecordCodec {
    type Protocol = StreamProtocol;
    type Request = RecordRequest;
    type Response = NodeRecord;

    async fn read_request<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Self::Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        match read_all(io, 0).await? {
            bytes if bytes.is_empty() => Ok(RecordRequest),
            _ => Err(invalid("a record request carries no bytes")),
        }
    }

    async fn read_response<T>(&mut self, _: &Self::Protocol, io: &mut T) -> io::Result<Self::Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        NodeRecord::decode(&read_all(io, MAX_BYTES).await?).ok_or_else(|| invalid("malformed node record"))
    }

    async fn write_request<T>(&mut self, _: &Self::Protocol, io: &mut T, _: Self::Request) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.close().await
    }

    async fn write_response<T>(&mut self, _: &Self::Protocol, io: &mut T, record: Self::Response) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&record.encode()).await?;
        io.close().await
    }
}

/// Reads to the end of the stream, refusing more than `max` bytes.
async fn read_all<T: AsyncRead + Unpin + Send>(io: &mut T, max: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed is enough to see that there are too many.
    io.take(max as u64 + 1).read_to_end(&mut bytes).await?;
    if bytes.len() > max {
        return Err(invalid("more bytes than a record may have"));
    }
    Ok(bytes)
}

fn invalid(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn arbitrary_record() -> impl Strategy<Value = NodeRecord> {
        let ip = prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u8; 16]>().prop_map(IpAddr::from)];
        let blob_addrs = proptest::collection::vec((ip, any::<u16>()).prop_map(SocketAddr::from), 0..=MAX_ADDRS);
        let multiaddr = (any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(ip, port)| Multiaddr::from(IpAddr::from(ip)).with(libp2p::multiaddr::Protocol::Udp(port)));
        let listen = proptest::collection::vec(multiaddr, 0..=MAX_ADDRS);
        let app = proptest::collection::vec(any::<u8>(), 0..=MAX_APP_RECORD_BYTES);
        (any::<[u8; 32]>(), blob_addrs, listen, app).prop_map(|(node_key, blob_addrs, listen, app)| NodeRecord {
            node_key,
            blob_addrs,
            listen,
            app,
        })
    }

    proptest! {
        #[test]
        fn a_record_survives_the_wire(record in arbitrary_record()) {
            let bytes = record.encode();
            prop_assert!(bytes.len() <= MAX_BYTES);
            prop_assert_eq!(NodeRecord::decode(&bytes), Some(record));
        }

        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = NodeRecord::decode(&bytes);
        }

        #[test]
        fn a_truncated_or_padded_record_is_refused(record in arbitrary_record(), cut in any::<prop::sample::Index>()) {
            let mut bytes = record.encode();
            let cut = cut.index(bytes.len());
            prop_assert_eq!(NodeRecord::decode(&bytes[..cut]), None);
            bytes.push(0);
            prop_assert_eq!(NodeRecord::decode(&bytes), None);
        }
    }

    #[test]
    fn an_unspecified_address_becomes_the_one_connected_from() {
        let addrs = |list: &[&str]| list.iter().map(|a| a.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let blob_addrs = addrs(&["0.0.0.0:7", "[::]:8", "10.0.0.1:9", "127.0.0.1:9"]);
        let record = NodeRecord { node_key: [0; 32], blob_addrs, listen: vec![], app: vec![] };
        let seen = record.reachable_blob_addrs(Some("192.0.2.1".parse().unwrap()));
        assert_eq!(seen, addrs(&["10.0.0.1:9", "192.0.2.1:7"]));
        let seen = record.reachable_blob_addrs(Some("127.0.0.1".parse().unwrap()));
        assert_eq!(seen, addrs(&["10.0.0.1:9", "127.0.0.1:7", "127.0.0.1:9"]));
    }
}
