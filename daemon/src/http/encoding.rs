//! Bodies that come compressed: `Content-Encoding: gzip`, unpacked as they stream.

use std::io::{Error, Write};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::write::MultiGzDecoder;

use crate::error::{Code, ServiceError, ServiceResult};

/// Packed bytes that are unpacked at once. A byte becomes a thousand at most, so what is in memory stays near 4 MiB,
/// and whoever takes it counts against his limit piece by piece.
const PIECE: usize = 4 << 10;

/// Hands on a body as it was before it was compressed.
pub(super) struct BodyDecoder(Option<MultiGzDecoder<Vec<u8>>>);

impl BodyDecoder {
    /// What the request's `Content-Encoding` asks for.
    pub(super) fn of(headers: &HeaderMap) -> ServiceResult<Self> {
        let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
        let coding = codings.next().map(|coding| coding.to_str().unwrap_or("?").trim().to_ascii_lowercase());
        match coding.as_deref() {
            None | Some("" | "identity") if codings.next().is_none() => Ok(Self(None)),
            Some("gzip" | "x-gzip") if codings.next().is_none() => Ok(Self(Some(MultiGzDecoder::new(Vec::new())))),
            other => {
                let found = other.unwrap_or_default();
                let detail = format!("Content-Encoding {found:?} is not read; send gzip, or the body as it is");
                Err(ServiceError::new(Code::UnknownFormat, detail))
            }
        }
    }

    /// Whether what comes is packed.
    pub(super) fn unpacks(&self) -> bool {
        self.0.is_some()
    }

    /// The pieces in which a chunk is to be decoded.
    pub(super) fn pieces(&self, chunk: Bytes) -> impl Iterator<Item = Bytes> + use<> {
        let step = if self.0.is_some() { PIECE } else { chunk.len().max(1) };
        (0..chunk.len()).step_by(step).map(move |at| chunk.slice(at..chunk.len().min(at.saturating_add(step))))
    }

    /// What a piece holds; nothing yet, perhaps.
    pub(super) fn decode(&mut self, piece: Bytes) -> ServiceResult<Bytes> {
        let Some(decoder) = &mut self.0 else { return Ok(piece) };
        decoder.write_all(&piece).map_err(|error| broken(&error))?;
        Ok(std::mem::take(decoder.get_mut()).into())
    }

    /// What is left at the end, which must be that of the compressed data too.
    pub(super) fn finish(&mut self) -> ServiceResult<Bytes> {
        let Some(decoder) = &mut self.0 else { return Ok(Bytes::new()) };
        decoder.try_finish().map_err(|error| broken(&error))?;
        Ok(std::mem::take(decoder.get_mut()).into())
    }
}

fn broken(error: &Error) -> ServiceError {
    let detail = format!("the body is not whole gzip data ({error}); compress it again and send all of it");
    ServiceError::new(Code::BadRecords, detail)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn decoder(coding: &str) -> ServiceResult<BodyDecoder> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        BodyDecoder::of(&headers)
    }

    fn packed(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn decoded(coding: &str, body: &[u8], chunk: usize) -> ServiceResult<Vec<u8>> {
        let mut decoder = decoder(coding)?;
        let mut all = Vec::new();
        for chunk in body.chunks(chunk) {
            for piece in decoder.pieces(Bytes::copy_from_slice(chunk)) {
                all.extend_from_slice(&decoder.decode(piece)?);
            }
        }
        all.extend_from_slice(&decoder.finish()?);
        Ok(all)
    }

    #[test]
    fn a_body_comes_out_as_it_went_in_however_it_is_cut() {
        let body = b"{\"text\":\"packed\"}\n".repeat(3_000);
        let two_members = [packed(&body[..1_000]), packed(&body[1_000..])].concat();
        for chunk in [1, 100, 1 << 20] {
            assert_eq!(decoded("gzip", &packed(&body), chunk).unwrap(), body);
            assert_eq!(decoded("X-GZIP", &two_members, chunk).unwrap(), body);
            assert_eq!(decoded("identity", &body, chunk).unwrap(), body);
        }
    }

    #[test]
    fn a_bomb_goes_off_in_small_pieces() {
        let bomb = packed(&vec![0; 64 << 20]);
        let mut decoder = decoder("gzip").unwrap();
        let largest = decoder.pieces(bomb.into()).map(|piece| decoder.decode(piece).unwrap().len()).max();
        assert!(largest.is_some_and(|bytes| bytes <= 5 << 20), "{largest:?}");
    }

    #[test]
    fn what_is_cut_short_or_packed_otherwise_is_refused() {
        let body = packed(&b"some text ".repeat(400));
        for cut in [body.len() - 1, body.len() / 2, 3] {
            assert_eq!(decoded("gzip", &body[..cut], 64).err().unwrap().code, Code::BadRecords, "{cut}");
        }
        assert_eq!(decoded("gzip", b"not packed at all", 64).err().unwrap().code, Code::BadRecords);
        for coding in ["br", "zstd", "deflate", "gzip, br"] {
            assert_eq!(decoded(coding, &body, 64).err().unwrap().code, Code::UnknownFormat, "{coding}");
        }
    }
}
