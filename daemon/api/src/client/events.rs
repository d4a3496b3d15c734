//! Server-sent events.

use futures::{Stream, StreamExt as _};
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::{ClientError, ClientResult};

/// The longest event that is read; a report of every record stays far below.
const MAX_EVENT: usize = 8 * 1024 * 1024;

/// The events in `response`, decoded.
pub(super) fn events<T: DeserializeOwned>(response: Response, path: String) -> impl Stream<Item = ClientResult<T>> {
    let base = response.url().to_string();
    let chunks = response.bytes_stream();
    let state = (Box::pin(chunks), Decoder::default(), path, base, false);
    futures::stream::unfold(state, |(mut chunks, mut decoder, path, base, over)| async move {
        if over {
            return None;
        }
        loop {
            if let Some(data) = decoder.next_event() {
                let event =
                    serde_json::from_str(&data).map_err(|source| ClientError::Answer { path: path.clone(), source });
                return Some((event, (chunks, decoder, path, base, false)));
            }
            let error = match chunks.next().await {
                None => return None,
                Some(Ok(chunk)) if decoder.buffer.len().saturating_add(chunk.len()) <= MAX_EVENT => {
                    decoder.buffer.extend_from_slice(&chunk);
                    continue;
                }
                Some(Ok(_)) => ClientError::LongEvent { path: path.clone(), limit: MAX_EVENT },
                Some(Err(source)) => ClientError::Unreachable { base: base.clone(), source },
            };
            return Some((Err(error), (chunks, decoder, path, base, true)));
        }
    })
}

/// Splits a byte stream into events at empty lines; comments and empty events (keep-alives) are passed over.
#[derive(Default)]
struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// The data of the next complete event with data.
    fn next_event(&mut self) -> Option<String> {
        loop {
            let (end, gap) = self.blank_line()?;
            let event: Vec<u8> = self.buffer.drain(..end + gap).collect();
            let text = String::from_utf8_lossy(&event[..end]);
            let data =
                text.lines().filter_map(|line| line.strip_prefix("data:")).map(|d| d.strip_prefix(' ').unwrap_or(d));
            let data = data.collect::<Vec<_>>().join("\n");
            if !data.is_empty() {
                return Some(data);
            }
        }
    }

    /// Where an event ends, and how long the blank line behind it is.
    fn blank_line(&self) -> Option<(usize, usize)> {
        let find =
            |needle: &[u8]| self.buffer.windows(needle.len()).position(|w| w == needle).map(|at| (at, needle.len()));
        match (find(b"\n\n"), find(b"\r\n\r\n")) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_split_wherever_the_bytes_were_cut() {
        let stream =
            b": hello\n\nevent: state\ndata: {\"a\":1}\n\nevent: state\r\ndata: {\"b\":\r\ndata: 2}\r\n\r\ndata: half";
        for step in 1..stream.len() {
            let (mut decoder, mut seen) = (Decoder::default(), Vec::new());
            for chunk in stream.chunks(step) {
                decoder.buffer.extend_from_slice(chunk);
                seen.extend(std::iter::from_fn(|| decoder.next_event()));
            }
            assert_eq!(seen, ["{\"a\":1}", "{\"b\":\n2}"], "chunks of {step}");
        }
    }
}
