//! One line of JSONL into a [`RecordBuilder`]: a parser for exactly what a record may be, a flat object.
//!
//! A general JSON parser spends most of its time on building values that are then copied and checked. Records have no
//! nesting, so this one runs over the line once, and copies a text that is already in canonical spelling as it stands.

use super::builder::RecordBuilder;
use super::error::Fault;
use super::number::scan_number;

/// Reads the object in `line` into `builder`, which must be fresh ([`RecordBuilder::begin`]).
pub(crate) fn read_object(line: &str, builder: &mut RecordBuilder) -> Result<(), Fault> {
    let mut cursor = Cursor { line, at: 0 };
    cursor.skip_blanks();
    if !cursor.eat(b'{') {
        return Err(match cursor.peek() {
            Some(b'[') => Fault::Array,
            _ if line[cursor.at..].starts_with('\u{feff}') => Fault::Mark,
            _ => Fault::NotAnObject,
        });
    }
    cursor.skip_blanks();
    if !cursor.eat(b'}') {
        let mut hint = 0;
        loop {
            hint = cursor.member(builder, hint)?;
            cursor.skip_blanks();
            if cursor.eat(b'}') {
                break;
            }
            cursor.expect(b',', "a comma or the end of the object must follow a value")?;
            cursor.skip_blanks();
        }
    }
    cursor.skip_blanks();
    if cursor.at < line.len() { Err(cursor.fault("one line holds one object and nothing after it")) } else { Ok(()) }
}

/// Deepest nesting of a value that is passed over.
const DEPTH: usize = 32;

/// The field in a column; `None` if the column is left out.
fn field(builder: &RecordBuilder, column: &str, hint: usize) -> Result<Option<usize>, Fault> {
    match builder.shape().index_of(column, hint) {
        None if builder.shape().leaves_out(column) => Ok(None),
        None => Err(builder.shape().unknown(column)),
        found => Ok(found),
    }
}

struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

/// A string token as it stands between its quotes.
struct RawText<'a> {
    raw: &'a str,
    /// Escapes in it.
    escapes: usize,
    /// Every escape is the canonical, two-byte one of its character.
    canonical: bool,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let here = self.peek() == Some(byte);
        self.at += usize::from(here);
        here
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), Fault> {
        if self.eat(byte) { Ok(()) } else { Err(self.here(problem)) }
    }

    /// The fault of what stands here, or of a line that ends too early: JSON written over many lines, mostly.
    fn here(&self, problem: &'static str) -> Fault {
        match self.line[self.at..].trim_ascii().is_empty() {
            true => self.fault("the line ends before its object does; write each object on one line (jq -c . does it)"),
            false => self.fault(problem),
        }
    }

    fn skip_blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn fault(&self, problem: &'static str) -> Fault {
        Fault::Json { at: self.at, problem }
    }

    /// `"key": value`; hands back which field is likely next.
    fn member(&mut self, builder: &mut RecordBuilder, hint: usize) -> Result<usize, Fault> {
        self.expect(b'"', "a key in double quotes must stand here")?;
        let key = self.string()?;
        let index = match key.escapes {
            0 => field(builder, key.raw, hint)?,
            _ => {
                let decoded = decode(&key).ok_or_else(|| self.fault("the key has a broken escape"))?;
                field(builder, &decoded, hint)?
            }
        };
        if let Some(index) = index {
            builder.claim(index)?;
        }
        self.skip_blanks();
        self.expect(b':', "a colon must follow a key")?;
        self.skip_blanks();
        match index {
            Some(index) => self.value(builder, index).map(|()| index + 1),
            None => self.skip(0).map(|()| hint),
        }
    }

    /// Passes over the value of a column that is left out, whatever it is.
    fn skip(&mut self, depth: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                self.string().map(drop)
            }
            Some(b'[' | b'{') if depth == DEPTH => Err(self.fault("a value is nested too deeply")),
            Some(open @ (b'[' | b'{')) => self.skip_items(open, depth + 1),
            _ if self.word("true") || self.word("false") || self.word("null") => Ok(()),
            _ => {
                let rest = &self.line.as_bytes()[self.at..];
                let (end, _) = scan_number(rest).ok_or_else(|| self.here("a JSON value must stand here"))?;
                self.at += end;
                Ok(())
            }
        }
    }

    fn skip_items(&mut self, open: u8, depth: usize) -> Result<(), Fault> {
        let close = if open == b'[' { b']' } else { b'}' };
        self.at += 1;
        self.skip_blanks();
        if self.eat(close) {
            return Ok(());
        }
        loop {
            if open == b'{' {
                self.expect(b'"', "a key in double quotes must stand here")?;
                self.string()?;
                self.skip_blanks();
                self.expect(b':', "a colon must follow a key")?;
                self.skip_blanks();
            }
            self.skip(depth)?;
            self.skip_blanks();
            if self.eat(close) {
                return Ok(());
            }
            self.expect(b',', "a comma or the end must follow a value")?;
            self.skip_blanks();
        }
    }

    fn value(&mut self, builder: &mut RecordBuilder, index: usize) -> Result<(), Fault> {
        match self.peek() {
            Some(b'"') => {
                self.at += 1;
                let token = self.string()?;
                if token.canonical && builder.escaped_text(index, token.raw, token.escapes)? {
                    return Ok(());
                }
                let text = decode(&token).ok_or_else(|| self.fault("the text before has a broken escape"))?;
                builder.text(index, &text)
            }
            Some(b't') if self.word("true") => builder.boolean(index, true),
            Some(b'f') if self.word("false") => builder.boolean(index, false),
            // As if the field were absent: what table tools write for a hole.
            Some(b'n') if self.word("null") => Ok(()),
            Some(b'[') => Err(builder.field(index).wrong_kind("a list")),
            Some(b'{') => Err(builder.field(index).wrong_kind("an object")),
            Some(b'N' | b'I' | b'-') if self.is_no_number() => {
                Err(self.fault("NaN and Infinity are not JSON; write null or leave the field out"))
            }
            _ => {
                let rest = &self.line[self.at..];
                let (end, is_whole) =
                    scan_number(rest.as_bytes()).ok_or_else(|| self.here("a JSON value must stand here"))?;
                self.at += end;
                builder.number(index, &rest[..end], is_whole)
            }
        }
    }

    /// Whether Python's spelling of what is no number stands here.
    fn is_no_number(&self) -> bool {
        let rest = &self.line[self.at..];
        ["NaN", "Infinity", "-Infinity"].iter().any(|word| rest.starts_with(word))
    }

    fn word(&mut self, word: &str) -> bool {
        let here = self.line[self.at..].starts_with(word);
        self.at += if here { word.len() } else { 0 };
        here
    }

    /// The rest of a string, after its opening quote, to beyond its closing one.
    fn string(&mut self) -> Result<RawText<'a>, Fault> {
        let (start, bytes) = (self.at, self.line.as_bytes());
        let (mut escapes, mut canonical) = (0, true);
        loop {
            self.at += plain_prefix(&bytes[self.at..]);
            match self.peek() {
                Some(b'"') => {
                    let raw = &self.line[start..self.at];
                    self.at += 1;
                    return Ok(RawText { raw, escapes, canonical });
                }
                Some(b'\\') => {
                    escapes += 1;
                    canonical &=
                        matches!(bytes.get(self.at + 1), Some(b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't'));
                    // The escaped byte, whatever it is, does not end the string.
                    self.at += 1 + usize::from(self.at + 1 < bytes.len());
                    // Stay on a character boundary: an escaped character may have several bytes.
                    while !self.line.is_char_boundary(self.at) {
                        self.at += 1;
                    }
                }
                Some(_) => return Err(self.fault("a control character must be escaped")),
                None => return Err(self.fault("the text has no closing quote")),
            }
        }
    }
}

/// Bytes before the first quote, backslash or control character. Whole blocks are tested at once, which the compiler
/// turns into vector instructions.
fn plain_prefix(bytes: &[u8]) -> usize {
    let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let mut at = 0;
    for block in bytes.chunks_exact(32) {
        if block.iter().fold(false, |any, byte| any | special(byte)) {
            break;
        }
        at += 32;
    }
    at + bytes[at..].iter().position(special).unwrap_or(bytes.len() - at)
}

/// The text behind a token; `None` for an escape that does not exist, lone surrogates among them.
fn decode(token: &RawText<'_>) -> Option<String> {
    let mut out = String::with_capacity(token.raw.len());
    let mut rest = token.raw;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        let escape = *rest.as_bytes().get(at + 1)?;
        let (character, length) = match escape {
            b'u' => unicode_escape(&rest[at..])?,
            _ => (simple_escape(escape)?, 2),
        };
        out.push(character);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Some(out)
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

/// The character of the `\uXXXX`, or of the pair of them, at the start of `text`, and its length in bytes.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |from: usize| {
        let digits = text.get(from..from + 6)?.strip_prefix("\\u")?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    if !(0xD800..0xDC00).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6));
    }
    let second = unit(6).filter(|unit| (0xDC00..0xE000).contains(unit))?;
    char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).map(|character| (character, 12))
}
