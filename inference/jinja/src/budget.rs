//! How much one rendering may take.
//!
//! A template is a stranger's program. What it does is counted before it is done: each part of an expression that is
//! looked at, each byte that is read, and each byte that is written anywhere, be it kept or not. The memory of a rendering
//! is therefore never more than the bytes that it may write, and the time is bounded by the three together.

use crate::fault::{Fault, Run};

/// What is left.
#[derive(Debug)]
pub(crate) struct Budget {
    steps: u64,
    reads: u64,
    writes: u64,
    depth: usize,
}

/// Most calls of the interpreter within each other: macros that call themselves, and what is written in parentheses.
const MAX_DEPTH: usize = 160;

impl Budget {
    /// For a conversation of so many messages with so many bytes.
    pub(crate) fn new(messages: usize, bytes: usize) -> Self {
        let (messages, bytes) = (messages as u64, bytes as u64);
        Self {
            steps: 200_000 + 2_000 * messages,
            reads: (16 << 20) + 64 * bytes + (messages << 14),
            writes: (8 << 20) + 24 * bytes + (messages << 12),
            depth: 0,
        }
    }

    pub(crate) fn step(&mut self) -> Run<()> {
        self.steps(1)
    }

    pub(crate) fn steps(&mut self, count: usize) -> Run<()> {
        take(&mut self.steps, count, "takes too many steps")
    }

    pub(crate) fn read(&mut self, bytes: usize) -> Run<()> {
        take(&mut self.reads, bytes, "reads its texts too often")
    }

    pub(crate) fn write(&mut self, bytes: usize) -> Run<()> {
        take(&mut self.writes, bytes, "writes too much")
    }

    pub(crate) fn enter(&mut self) -> Run<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::Bound("calls itself too deep"));
        }
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }
}

fn take(left: &mut u64, count: usize, what: &'static str) -> Run<()> {
    *left = left.checked_sub(count as u64).ok_or(Fault::Bound(what))?;
    Ok(())
}
