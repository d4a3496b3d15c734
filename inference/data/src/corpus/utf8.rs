//! UTF-8, checked across the borders of chunks.

use super::error::CorpusError;

/// Checks that chunks are UTF-8 when put together.
#[derive(Debug, Default)]
pub(crate) struct Utf8Guard {
    /// The start of a character that the last chunk cut.
    carry: Vec<u8>,
    /// Bytes known to be good.
    checked: u64,
}

impl Utf8Guard {
    pub(super) fn check(&mut self, mut chunk: &[u8]) -> Result<(), CorpusError> {
        while !self.carry.is_empty() && !chunk.is_empty() {
            self.carry.push(chunk[0]);
            chunk = &chunk[1..];
            match std::str::from_utf8(&self.carry) {
                Ok(_) => {
                    self.checked += self.carry.len() as u64;
                    self.carry.clear();
                }
                Err(error) if error.error_len().is_some() => return Err(self.fault()),
                Err(_) => {}
            }
        }
        match std::str::from_utf8(chunk) {
            Ok(_) => self.checked += chunk.len() as u64,
            Err(error) => {
                self.checked += error.valid_up_to() as u64;
                if error.error_len().is_some() {
                    return Err(self.fault());
                }
                self.carry.extend_from_slice(&chunk[error.valid_up_to()..]);
            }
        }
        Ok(())
    }

    pub(super) fn finish(&self) -> Result<(), CorpusError> {
        if self.carry.is_empty() { Ok(()) } else { Err(self.fault()) }
    }

    /// The error of a byte that is not good.
    pub(super) fn fault(&self) -> CorpusError {
        CorpusError::Utf8 { offset: self.checked }
    }
}
