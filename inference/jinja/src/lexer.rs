//! From the source to tokens, with the white space as transformers has it: `trim_blocks`, `lstrip_blocks`, and the last line
//! break left out.

use crate::fault::TemplateError;
use crate::text::is_space;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    Data(String),
    EmitStart,
    EmitEnd,
    BlockStart,
    BlockEnd,
    Name(String),
    Str(String),
    Int(i64),
    Float(f64),
    Operator(&'static str),
}

/// Longer ones first.
const OPERATORS: [&str; 26] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";",
];

/// Tokens with their lines.
pub(crate) fn tokens(source: &str) -> Result<Vec<(usize, Token)>, TemplateError> {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let source = source.strip_suffix('\n').unwrap_or(&source);
    Lexer { source, at: 0, line: 1, counted: 0, line_starts: true, tokens: Vec::new() }.run()
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: usize,
    /// Bytes whose line breaks are in `line`.
    counted: usize,
    /// Whether the last tag took the line break after it.
    line_starts: bool,
    tokens: Vec<(usize, Token)>,
}

type Lex<T> = Result<T, TemplateError>;

impl<'a> Lexer<'a> {
    fn run(mut self) -> Lex<Vec<(usize, Token)>> {
        while let Some(start) = self.next_tag() {
            let (open, sign) = (&self.source[start..start + 2], self.source[start + 2..].chars().next());
            let sign = sign.filter(|sign| ['-', '+'].contains(sign));
            self.data(start, sign, open != "{{");
            self.at = start + 2 + usize::from(sign.is_some());
            match open {
                "{#" => self.comment()?,
                "{{" => self.tag("}}", Token::EmitStart, Token::EmitEnd)?,
                _ if self.raw()? => {}
                _ => self.tag("%}", Token::BlockStart, Token::BlockEnd)?,
            }
        }
        let rest = self.rest().to_owned();
        self.push_data(rest);
        Ok(self.tokens)
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn next_tag(&self) -> Option<usize> {
        let found = self
            .rest()
            .match_indices('{')
            .find(|(at, _)| matches!(self.source.as_bytes().get(self.at + at + 1), Some(b'{' | b'%' | b'#')));
        found.map(|(at, _)| self.at + at)
    }

    /// The line of the place that has been reached.
    fn line(&mut self) -> usize {
        let new = &self.source.as_bytes()[self.counted..self.at.max(self.counted)];
        self.line += new.iter().filter(|&&byte| byte == b'\n').count();
        self.counted = self.at.max(self.counted);
        self.line
    }

    fn error<T>(&mut self, what: impl Into<String>) -> Lex<T> {
        Err(TemplateError::Source { line: self.line(), what: what.into() })
    }

    fn push(&mut self, token: Token) {
        let line = self.line();
        self.tokens.push((line, token));
    }

    fn push_data(&mut self, data: String) {
        if !data.is_empty() {
            self.push(Token::Data(data));
        }
    }

    /// The text before a tag that begins at `start`.
    fn data(&mut self, start: usize, sign: Option<char>, strips: bool) {
        let mut text = &self.source[self.at..start];
        if sign == Some('-') {
            text = text.trim_end_matches(is_space);
        } else if sign.is_none() && strips {
            let line = text.rfind('\n').map_or(0, |at| at + 1);
            if (line > 0 || self.line_starts) && text[line..].chars().all(is_space) {
                text = &text[..line];
            }
        }
        self.push_data(text.to_owned());
    }

    /// Whether what stands here ends a tag, and if so, goes on behind it.
    fn close(&mut self, end: &str) -> bool {
        let rest = self.rest();
        let sign = rest.chars().next().filter(|sign| *sign == '-' || *sign == '+' && end != "}}");
        let Some(after) = rest[sign.map_or(0, char::len_utf8)..].strip_prefix(end) else { return false };
        let kept = match sign {
            Some('-') => after.trim_start_matches(is_space),
            None if end != "}}" => after.strip_prefix('\n').unwrap_or(after),
            _ => after,
        };
        self.at = self.source.len() - kept.len();
        self.line_starts = self.source[..self.at].ends_with('\n');
        true
    }

    fn comment(&mut self) -> Lex<()> {
        let Some(end) = self.rest().find("#}") else { return self.error("a comment {# has no end #}") };
        let text = &self.rest()[..end];
        self.at += end - usize::from(text.ends_with(['-', '+']));
        self.close("#}");
        Ok(())
    }

    /// Reads a raw block, if one begins here.
    fn raw(&mut self) -> Lex<bool> {
        let name = |text: &'a str, name: &str| text.trim_start_matches(is_space).strip_prefix(name);
        let Some(after) = name(self.rest(), "raw") else { return Ok(false) };
        let after = after.trim_start_matches(is_space);
        let body = match after.strip_prefix("-%}") {
            Some(body) => body.trim_start_matches(is_space),
            None => match after.strip_prefix("%}") {
                Some(body) => body,
                None => return Ok(false),
            },
        };
        self.at = self.source.len() - body.len();
        self.line_starts = self.source[..self.at].ends_with('\n');
        let ends = body.match_indices("{%").find_map(|(at, _)| {
            let tag = &body[at + 2..];
            let sign = tag.chars().next().filter(|sign| ['-', '+'].contains(sign));
            let rest = name(&tag[usize::from(sign.is_some())..], "endraw")?.trim_start_matches(is_space);
            let closes = ["%}", "-%}", "+%}"].iter().any(|end| rest.starts_with(end));
            closes.then_some((at, sign, rest))
        });
        let Some((at, sign, rest)) = ends else { return self.error("{% raw %} has no {% endraw %}") };
        self.data(self.at + at, sign, true);
        self.at = self.source.len() - rest.len();
        self.close("%}");
        Ok(true)
    }

    fn tag(&mut self, end: &str, start: Token, stop: Token) -> Lex<()> {
        self.push(start);
        let mut open = Vec::new();
        loop {
            self.at = self.source.len() - self.rest().trim_start_matches(is_space).len();
            if self.rest().is_empty() {
                return self.error(format!("a tag has no end {end}; is the file cut short?"));
            }
            if open.is_empty() && self.close(end) {
                self.push(stop);
                return Ok(());
            }
            let token = self.token()?;
            if let Token::Operator(operator) = token {
                self.balance(operator, &mut open)?;
            }
            self.push(token);
        }
    }

    fn balance(&mut self, operator: &'static str, open: &mut Vec<&'static str>) -> Lex<()> {
        match operator {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" if open.pop() != Some(operator) => return self.error(format!("unexpected {operator}")),
            _ => {}
        }
        Ok(())
    }

    fn token(&mut self) -> Lex<Token> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return self.error("unexpected end") };
        if first == '"' || first == '\'' {
            return self.string(first);
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first.is_alphabetic() || first == '_' {
            let end = rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_')).unwrap_or(rest.len());
            self.at += end;
            return Ok(Token::Name(rest[..end].to_owned()));
        }
        match OPERATORS.into_iter().find(|operator| rest.starts_with(operator)) {
            Some(operator) => {
                self.at += operator.len();
                Ok(Token::Operator(operator))
            }
            None => self.error(format!("unexpected character {first:?}")),
        }
    }

    fn number(&mut self) -> Lex<Token> {
        let (rest, after_dot) = (self.rest(), self.source[..self.at].ends_with('.'));
        let digits = |text: &str| text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_').len();
        let base = match rest.get(..2) {
            Some("0x" | "0X") => 16,
            Some("0o" | "0O") => 8,
            Some("0b" | "0B") => 2,
            _ => 10,
        };
        let large = "a number is too large";
        if base != 10 {
            let end = rest[2..].find(|c: char| !(c.is_ascii_hexdigit() || c == '_')).map_or(rest.len(), |at| at + 2);
            self.at += end;
            let number = i64::from_str_radix(&rest[2..end].replace('_', ""), base);
            return number.map_or_else(|_| self.error(large), |number| Ok(Token::Int(number)));
        }
        let whole = digits(rest);
        let fraction = rest[whole..].strip_prefix('.').map_or(0, digits);
        let mut end = whole + if fraction > 0 { fraction + 1 } else { 0 };
        if let Some(exponent) = rest[end..].strip_prefix(['e', 'E']) {
            let sign = usize::from(exponent.starts_with(['+', '-']));
            let figures = digits(&exponent[sign..]);
            end += if figures > 0 { 1 + sign + figures } else { 0 };
        }
        if end > whole && !after_dot {
            self.at += end;
            let number = rest[..end].replace('_', "").parse();
            return number.map_or_else(|_| self.error(large), |number| Ok(Token::Float(number)));
        }
        self.at += whole;
        rest[..whole].replace('_', "").parse().map_or_else(|_| self.error(large), |number| Ok(Token::Int(number)))
    }

    fn string(&mut self, quote: char) -> Lex<Token> {
        let (mut text, mut letters) = (String::new(), self.rest()[1..].char_indices());
        while let Some((at, letter)) = letters.next() {
            if letter == quote {
                self.at += at + 2;
                return Ok(Token::Str(text));
            }
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            let Some((at, letter)) = letters.next() else { break };
            let escaped = &self.rest()[1 + at + letter.len_utf8()..];
            match escape(letter, escaped) {
                Some((meant, figures)) => {
                    text.extend(meant);
                    letters.by_ref().take(figures).for_each(drop);
                }
                None => return self.error(format!("\\{letter} in a string is no character")),
            }
        }
        self.error("a string has no end")
    }
}

/// What a letter after a backslash means, and how many further characters belong to it. None if it means no character.
fn escape(letter: char, rest: &str) -> Option<(Vec<char>, usize)> {
    let figures = |count: usize| {
        let figures = rest.get(..count).filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        Some((vec![char::from_u32(u32::from_str_radix(figures, 16).ok()?)?], count))
    };
    let simple = |meant: char| Some((vec![meant], 0));
    match letter {
        'n' => simple('\n'),
        't' => simple('\t'),
        'r' => simple('\r'),
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'v' => simple('\x0b'),
        '\\' | '\'' | '"' => simple(letter),
        '\n' => Some((Vec::new(), 0)),
        'x' => figures(2),
        'u' => figures(4),
        'U' => figures(8),
        '0'..='7' => {
            let more = rest.bytes().take(2).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
            let octal = format!("{letter}{}", &rest[..more]);
            Some((vec![char::from_u32(u32::from_str_radix(&octal, 8).ok()?)?], more))
        }
        other => Some((vec!['\\', other], 0)),
    }
}
