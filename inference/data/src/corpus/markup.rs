//! The text in a block of HTML within Markdown: what a browser would show of it as prose, cut where its blocks begin and
//! end.

/// Tags within a line of text; all others cut it.
const INLINE: [&str; 30] = [
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img", "ins", "kbd",
    "mark", "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
];

/// What a block of HTML holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Markup {
    /// Its texts, without tags, in order; white space is as it was.
    pub passages: Vec<String>,
    /// What in it begins and never ends, so that all behind it is hidden.
    pub open: Option<&'static str>,
}

/// What a `<` begins.
enum Begun {
    /// Something of this length that shows nothing; whether it cuts the text.
    Passed(usize, bool),
    /// Something without an end.
    Open(&'static str),
    /// Nothing: it is a character.
    Character,
    /// A tag without an end, so that no other has one: all that follows is text.
    Text,
}

/// Reads a block of HTML. Every byte is looked at a few times at most, however broken it is.
pub(super) fn read(block: &str) -> Markup {
    let (mut found, mut text, mut rest) = (Markup::default(), String::new(), block);
    while let Some(at) = memchr::memchr(b'<', rest.as_bytes()) {
        decode_into(&mut text, &rest[..at]);
        rest = &rest[at..];
        match begun(rest) {
            Begun::Passed(length, cuts) => {
                if cuts {
                    found.passages.extend(passage(&mut text));
                }
                rest = &rest[length..];
            }
            Begun::Open(what) => {
                found.open = Some(what);
                rest = "";
            }
            Begun::Character => {
                text.push('<');
                rest = &rest[1..];
            }
            Begun::Text => break,
        }
    }
    decode_into(&mut text, rest);
    found.passages.extend(passage(&mut text));
    found
}

fn passage(text: &mut String) -> Option<String> {
    let text = std::mem::take(text);
    if text.trim().is_empty() { None } else { Some(text) }
}

fn begun(rest: &str) -> Begun {
    for (start, end, what) in [
        ("<!--", "-->", "a comment (<!--)"),
        ("<![CDATA[", "]]>", "a section of characters (<![CDATA[)"),
        ("<?", "?>", "an instruction (<?)"),
    ] {
        if rest.starts_with(start) {
            return behind(rest, end).map_or(Begun::Open(what), |length| Begun::Passed(length, false));
        }
    }
    let inner = rest[1..].strip_prefix(['/', '!']).unwrap_or(&rest[1..]);
    if !inner.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Begun::Character;
    }
    let Some(length) = tag_length(rest) else { return Begun::Text };
    let name: String = inner.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let is_closed = !rest[1..].starts_with(|c: char| c.is_ascii_alphabetic()) || rest[..length].ends_with("/>");
    for (hidden, what) in [("script", "a script (<script>)"), ("style", "a style sheet (<style>)")] {
        if name == hidden && !is_closed {
            let end = closing_tag(&rest[length..], hidden);
            return end.map_or(Begun::Open(what), |end| Begun::Passed(length + end, true));
        }
    }
    Begun::Passed(length, !INLINE.contains(&name.as_str()))
}

/// Length up to behind the first `end`.
fn behind(rest: &str, end: &str) -> Option<usize> {
    memchr::memmem::find(rest.as_bytes(), end.as_bytes()).map(|at| at + end.len())
}

/// Length of a tag: to its `>` outside quotes, or to the first, where a quote is only a character.
fn tag_length(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    behind(rest, ">")
}

/// Length up to behind the tag that closes what is called `name`.
fn closing_tag(rest: &str, name: &str) -> Option<usize> {
    let is_name = |at: &usize| {
        let inner = rest.as_bytes().get(at + 2..at + 2 + name.len());
        inner.is_some_and(|inner| inner.eq_ignore_ascii_case(name.as_bytes()))
    };
    let at = memchr::memmem::find_iter(rest.as_bytes(), b"</").find(is_name)?;
    Some(at + behind(&rest[at..], ">").unwrap_or(rest.len() - at))
}

/// Appends text with its entities as characters: the few that people write, and numbers; others stay as they are.
fn decode_into(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        match end.and_then(|end| Some((entity(rest.get(1..end)?)?, end + 1))) {
            Some((character, length)) => {
                out.push(character);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => number.parse(),
            };
            char::from_u32(number.ok()?).filter(|character| !character.is_control())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn passages(block: &str) -> Vec<String> {
        let found = read(block);
        assert_eq!(found.open, None, "{block}");
        found.passages.iter().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn the_text_of_blocks_is_kept_and_their_tags_are_not() {
        for (block, texts) in [
            ("<p>An <b>owl</b> hunts.</p>\n<p>A duck swims.</p>\n", vec!["An owl hunts.", "A duck swims."]),
            ("<div align=\"a>b\"><img src=x>\n</div>", vec![]),
            ("<p>1 &lt; 2 &amp; 3 &#62; 2, &copy; &nope</p>", vec!["1 < 2 & 3 > 2, &copy; &nope"]),
            ("<!-- not\n\nthis --><center>this</center>", vec!["this"]),
            ("<script>if (a < b) {}</SCRIPT ><style>p {}</style><p>shown", vec!["shown"]),
            ("<p>a < b and <3</p>", vec!["a < b and <3"]),
            ("<p>it<br/>breaks<hr>here", vec!["it", "breaks", "here"]),
            ("<p title=it's>an owl</p>", vec!["an owl"]),
            ("<p>an owl <b", vec!["an owl <b"]),
        ] {
            assert_eq!(passages(block), texts, "{block}");
        }
    }

    #[test]
    fn what_never_ends_is_named() {
        for (block, what) in [("<p>a</p><!-- b", "comment"), ("<script>a", "script"), ("<STYLE>\na", "style")] {
            assert!(read(block).open.unwrap().contains(what), "{block}");
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(block in "[<>/!?a-cé&;#'\" -]{0,60}") {
            read(&block);
        }
    }
}
