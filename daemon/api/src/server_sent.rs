//! Server-sent events, as a node sends them: for any client.

use bytes::Bytes;
use futures::{Stream, StreamExt as _};
use reqwest::Response;

/// The longest event that is read, in bytes; a report of every record stays far below.
pub const MAX_EVENT: usize = 8 * 1024 * 1024;

/// Why there are no more events.
#[derive(Debug, thiserror::Error)]
pub enum EventError<E: std::error::Error + 'static = reqwest::Error> {
    /// One is longer than [`MAX_EVENT`].
    #[error("an event of over {} MiB", MAX_EVENT >> 20)]
    TooLong,
    /// The connection broke.
    #[error(transparent)]
    Broken(#[from] E),
}

/// The data of the events in `response`, in order; nothing comes after an error.
pub fn events(response: Response) -> impl Stream<Item = Result<String, EventError>> {
    events_of(response.bytes_stream())
}

/// The same of any body.
pub fn events_of<E: std::error::Error + 'static>(
    chunks: impl Stream<Item = Result<Bytes, E>>,
) -> impl Stream<Item = Result<String, EventError<E>>> {
    let state = (Box::pin(chunks), Decoder::default(), false);
    futures::stream::unfold(state, |(mut chunks, mut decoder, over)| async move {
        if over {
            return None;
        }
        loop {
            if let Some(data) = decoder.next_event() {
                return Some((Ok(data), (chunks, decoder, false)));
            }
            let error = match chunks.next().await {
                None => return None,
                Some(Ok(chunk)) if decoder.buffer.len().saturating_add(chunk.len()) <= MAX_EVENT => {
                    decoder.buffer.extend_from_slice(&chunk);
                    continue;
                }
                Some(Ok(_)) => EventError::TooLong,
                Some(Err(source)) => EventError::Broken(source),
            };
            return Some((Err(error), (chunks, decoder, true)));
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
