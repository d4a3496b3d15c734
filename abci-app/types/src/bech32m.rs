//! Writing bytes as bech32m (BIP 350). The ledger's keys hold addresses as text, so that each transaction writes a dozen of them: here at once, into
//! a buffer, with a table. Reading is the crate's, as is the word on what is right.

use std::fmt;

/// What five bits are written as.
const DIGITS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// What bech32m adds to the checksum.
const CONSTANT: u32 = 0x2bc8_30a3;
/// What the checksum's polynomial is divided by, for each of the five bits that leave it.
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// The same for all five together.
const TABLE: [u32; 32] = table();
/// Characters of the longest text: a prefix of five, its one, 52 for 32 bytes, and six of checksum.
const MOST: usize = 64;

const fn table() -> [u32; 32] {
    let (mut table, mut bits) = ([0; 32], 0);
    while bits < 32 {
        let mut bit = 0;
        while bit < 5 {
            if bits >> bit & 1 == 1 {
                table[bits] ^= GENERATOR[bit];
            }
            bit += 1;
        }
        bits += 1;
    }
    table
}

/// The checksum behind five more bits.
const fn add(checksum: u32, bits: u8) -> u32 {
    (checksum & 0x01ff_ffff) << 5 ^ bits as u32 ^ TABLE[(checksum >> 25) as usize]
}

/// How bytes are written with a prefix.
pub(crate) struct Text {
    prefix: &'static str,
    /// The checksum behind the prefix.
    checksum: u32,
}

impl Text {
    pub(crate) const fn new(prefix: &'static str) -> Self {
        let (bytes, mut checksum, mut at) = (prefix.as_bytes(), 1, 0);
        while at < bytes.len() {
            checksum = add(checksum, bytes[at] >> 5);
            at += 1;
        }
        checksum = add(checksum, 0);
        at = 0;
        while at < bytes.len() {
            checksum = add(checksum, bytes[at] & 31);
            at += 1;
        }
        Self { prefix, checksum }
    }

    /// Writes up to 32 bytes.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
        let mut text = [0u8; MOST];
        let mut length = 0;
        let mut put = |digit: u8| {
            if let Some(place) = text.get_mut(length) {
                *place = digit;
            }
            length += 1;
        };
        self.prefix.bytes().chain([b'1']).for_each(&mut put);
        let mut checksum = self.checksum;
        let (mut left, mut waiting) = (0u32, 0u32);
        let mut digit = |bits: u32| {
            let bits = (bits & 31) as u8;
            checksum = add(checksum, bits);
            put(DIGITS[usize::from(bits)]);
        };
        for byte in bytes {
            (left, waiting) = (left << 8 | u32::from(*byte), waiting + 8);
            while waiting >= 5 {
                waiting -= 5;
                digit(left >> waiting);
            }
            left &= 0xff;
        }
        if waiting > 0 {
            digit(left << (5 - waiting));
        }
        for _ in 0..6 {
            checksum = add(checksum, 0);
        }
        checksum ^= CONSTANT;
        for place in (0..6).rev() {
            put(DIGITS[(checksum >> (5 * place) & 31) as usize]);
        }
        let text = text.get(..length).and_then(|text| std::str::from_utf8(text).ok());
        f.write_str(text.ok_or(fmt::Error)?)
    }
}
