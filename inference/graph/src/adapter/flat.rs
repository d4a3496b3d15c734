//! As much of FlatBuffers as an adapter file needs: tables, strings and vectors, every step inside the bytes.

/// A table: a place in the bytes whose fields are found through a list of offsets.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
    offsets: &'a [u8],
}

/// What stands at a place, if it lies inside the bytes.
fn take<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(take(bytes, at)?)).ok()
}

/// The place that the offset at a place leads to: always further on.
fn follow(bytes: &[u8], at: usize) -> Option<usize> {
    let offset = u32_at(bytes, at)?;
    at.checked_add(offset).filter(|target| offset > 0 && *target < bytes.len())
}

impl<'a> Table<'a> {
    /// The table that the file begins with; `None` if there is none, or the file is of another kind.
    pub(super) fn root(bytes: &'a [u8], identifier: [u8; 4]) -> Option<Self> {
        if take(bytes, 4)? != identifier {
            return None;
        }
        Self::at(bytes, follow(bytes, 0)?)
    }

    fn at(bytes: &'a [u8], at: usize) -> Option<Self> {
        let back = i64::from(i32::from_le_bytes(take(bytes, at)?));
        let list = usize::try_from(i64::try_from(at).ok()?.checked_sub(back)?).ok()?;
        let length = usize::from(u16::from_le_bytes(take(bytes, list)?));
        // Two sizes come first.
        let offsets = bytes.get(list..list.checked_add(length)?)?.get(4..)?;
        Some(Self { bytes, at, offsets })
    }

    /// The place of a field; `None` where it is left out.
    fn field(&self, number: usize) -> Option<usize> {
        let offset = usize::from(u16::from_le_bytes(take(self.offsets, number.checked_mul(2)?)?));
        (offset >= 4).then(|| self.at + offset)
    }

    /// An integer field; 0 where it is left out.
    pub(super) fn int(&self, number: usize) -> Option<i32> {
        self.field(number).map_or(Some(0), |at| take(self.bytes, at).map(i32::from_le_bytes))
    }

    /// The entries of a vector field, each of `size` bytes, and how many there are.
    fn entries(&self, number: usize, size: usize) -> Option<(usize, usize)> {
        let at = follow(self.bytes, self.field(number)?)?;
        let (count, start) = (u32_at(self.bytes, at)?, at + 4);
        let end = start.checked_add(count.checked_mul(size)?)?;
        (end <= self.bytes.len()).then_some((start, count))
    }

    /// A text or list of bytes.
    pub(super) fn slice(&self, number: usize) -> Option<&'a [u8]> {
        let (start, count) = self.entries(number, 1)?;
        self.bytes.get(start..start + count)
    }

    /// A list of at most `limit` 64-bit integers.
    pub(super) fn longs(&self, number: usize, limit: usize) -> Option<Vec<i64>> {
        let (start, count) = self.entries(number, 8).filter(|(_, count)| *count <= limit)?;
        (0..count).map(|i| take(self.bytes, start + 8 * i).map(i64::from_le_bytes)).collect()
    }

    /// A list of at most `limit` tables.
    pub(super) fn tables(&self, number: usize, limit: usize) -> Option<Vec<Table<'a>>> {
        let (start, count) = self.entries(number, 4).filter(|(_, count)| *count <= limit)?;
        (0..count).map(|i| Table::at(self.bytes, follow(self.bytes, start + 4 * i)?)).collect()
    }
}

/// Writes a file from its beginning to its end, so that all offsets lead on.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// The offset of the root table, which is to be set, and the kind of file.
    pub(super) fn new(identifier: [u8; 4]) -> Self {
        Self { bytes: [[0; 4], identifier].concat() }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// The present end, after so much padding that `ahead` bytes further on is a multiple of `align`.
    pub(super) fn aligned(&mut self, align: usize, ahead: usize) -> usize {
        while !(self.bytes.len() + ahead).is_multiple_of(align) {
            self.bytes.push(0);
        }
        self.bytes.len()
    }

    /// Lets the offset at `from` lead to `to`, which comes later.
    pub(super) fn link(&mut self, from: usize, to: usize) {
        self.set(from, (to - from) as u32);
    }

    fn set(&mut self, at: usize, number: u32) {
        self.bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
    }

    pub(super) fn number(&mut self, number: i32) {
        self.bytes.extend(number.to_le_bytes());
    }

    /// The list of offsets of a table of `fields` fields of 4 bytes.
    pub(super) fn offsets(&mut self, fields: u16) -> usize {
        let place = self.aligned(4, 0);
        self.bytes.extend((4 + 2 * fields).to_le_bytes());
        self.bytes.extend((4 + 4 * fields).to_le_bytes());
        (0..fields).for_each(|field| self.bytes.extend((4 + 4 * field).to_le_bytes()));
        place
    }

    /// Begins a table whose fields are to follow.
    pub(super) fn table(&mut self, offsets: usize) -> usize {
        let place = self.aligned(4, 0);
        self.number((place - offsets) as i32);
        place
    }

    /// A vector of `count` entries in `bytes`, its first entry at a multiple of `align`.
    pub(super) fn vector(&mut self, count: usize, bytes: &[u8], align: usize) -> usize {
        let place = self.aligned(align.max(4), 4);
        self.number(count as i32);
        self.bytes.extend(bytes);
        place
    }
}
