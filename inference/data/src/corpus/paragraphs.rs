//! Plain text and Markdown: every paragraph is a record with nothing but the passage.
//!
//! Plain text is cut at blank lines. Of Markdown, paragraphs, list items, block quotes, the rows of tables and the text in
//! HTML are kept, without their markup; headings (of tables too), code blocks, images and front matter are not. What would
//! hide the rest of a document because it is never closed is refused. White space is collapsed in both.

use datanet_types::record::Format;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::builder::RecordBuilder;
use super::checker::Sink;
use super::error::{CorpusError, Fault};
use super::jsonl::Rules;
use super::lines::{LineBuffer, Position, block_text, lines};
use super::markup;
use super::unicode::collapse_into;

/// A code block, in words.
const FENCE: &str = "a code block (``` or ~~~)";

/// A longer Markdown document is parsed in sections, cut at the next blank line that ends a top-level block: a parser
/// of Markdown keeps its whole input.
const SECTION: usize = 256 << 10;

/// Decodes text that arrives in chunks.
#[derive(Debug)]
pub(crate) struct ParagraphDecoder {
    buffer: LineBuffer,
    at: Position,
    state: State,
}

#[derive(Debug)]
struct State {
    rules: Rules,
    builder: RecordBuilder,
    is_markdown: bool,
    /// Plain text: the paragraph under way, collapsed. Markdown: the section under way, as it is.
    open: String,
    /// Line, from 1, where `open` starts.
    open_line: u64,
    /// Markdown: the fence that closes the code block under way.
    fence: Option<String>,
    /// Markdown: something was left out.
    left_out: bool,
    /// The input is over.
    is_over: bool,
    records: u64,
}

impl ParagraphDecoder {
    pub(super) fn new(rules: Rules, format: Format) -> Self {
        let state = State {
            builder: RecordBuilder::new(rules.shape.clone()),
            is_markdown: format == Format::Markdown,
            open: String::new(),
            open_line: 1,
            fence: None,
            left_out: false,
            is_over: false,
            records: 0,
            rules,
        };
        let buffer = LineBuffer::new(state.rules.limits.record_bytes);
        Self { buffer, at: Position::default(), state }
    }

    pub(super) fn push(&mut self, chunk: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        let Self { buffer, at, state } = self;
        buffer.push(chunk, |block| state.block(at, block, sink))?;
        buffer.check_length().map_err(|error| Position { records: state.records, ..*at }.place(error))
    }

    pub(super) fn finish(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let rest = self.buffer.finish();
        self.state.block(&mut self.at, &rest, sink)?;
        self.state.is_over = true;
        self.state.close(sink)?;
        if self.state.records == 0 && self.state.left_out { Err(CorpusError::NoPassages) } else { Ok(()) }
    }

    pub(super) fn records(&self) -> u64 {
        self.state.records
    }
}

impl State {
    fn block(&mut self, at: &mut Position, block: &[u8], sink: &mut impl Sink) -> Result<(), CorpusError> {
        let text = block_text(block, at.bytes == 0).map_err(|error| at.place(error))?;
        for line in lines(text) {
            at.lines += 1;
            // Where one file was put behind another.
            let line = line.strip_prefix('\u{feff}').unwrap_or(line);
            if self.is_markdown {
                self.markdown_line(line, at.lines, sink)?
            } else {
                self.text_line(line, at.lines, sink)?
            }
        }
        at.bytes += block.len() as u64;
        Ok(())
    }

    fn text_line(&mut self, line: &str, number: u64, sink: &mut impl Sink) -> Result<(), CorpusError> {
        if line.trim().is_empty() {
            return self.close(sink);
        }
        if self.open.is_empty() {
            self.open_line = number;
        }
        collapse_into(&mut self.open, line);
        self.check_open(self.rules.limits.record_bytes)
    }

    fn markdown_line(&mut self, line: &str, number: u64, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let at_top = self.fence.is_none() && !line.starts_with([' ', '\t']) && !line.trim().is_empty();
        if self.open.len() >= SECTION && at_top && self.open.ends_with("\n\n") {
            self.close(sink)?;
        }
        if self.open.is_empty() {
            self.open_line = number;
        }
        self.fence = match self.fence.take() {
            Some(fence) if closes(line, &fence) => None,
            None => opening_fence(line),
            open => open,
        };
        // Blank lines of blanks would hide the cuts.
        self.open.push_str(if line.trim().is_empty() { "" } else { line });
        self.open.push('\n');
        self.check_open(SECTION.saturating_add(self.rules.limits.record_bytes))
    }

    fn check_open(&self, limit: usize) -> Result<(), CorpusError> {
        if self.open.len() <= limit {
            return Ok(());
        }
        let fault = match self.fence {
            Some(_) => Fault::NeverClosed { what: FENCE },
            None => Fault::RecordTooLong { limit: self.rules.limits.record_bytes },
        };
        Err(self.fault(self.open_line, fault))
    }

    /// The paragraph or the section under way is complete.
    fn close(&mut self, sink: &mut impl Sink) -> Result<(), CorpusError> {
        let mut open = std::mem::take(&mut self.open);
        if self.is_markdown {
            let first = self.open_line;
            self.left_out |= markdown_passages(&open, &mut |found, offset| {
                let line = first + memchr::memchr_iter(b'\n', &open.as_bytes()[..offset]).count() as u64;
                match found {
                    Ok(passage) => self.passage(passage, line, sink),
                    // A comment may go on beyond the cut.
                    Err(what) if what != FENCE && !self.is_over => Ok(()),
                    Err(what) => sink.refused(self.fault(line, Fault::NeverClosed { what })),
                }
            })?;
        } else if !open.is_empty() {
            self.passage(&open, self.open_line, sink)?;
        }
        open.clear();
        self.open = open;
        Ok(())
    }

    fn passage(&mut self, passage: &str, line: u64, sink: &mut impl Sink) -> Result<(), CorpusError> {
        if self.records == self.rules.limits.records {
            return Err(CorpusError::TooManyRecords { limit: self.rules.limits.records });
        }
        self.builder.begin();
        let index = self.rules.shape.text;
        let written = self.builder.claim(index).and_then(|()| self.builder.text(index, passage));
        let record = self.records;
        self.records += 1;
        match written.and_then(|()| self.builder.finish()) {
            Ok(found) => sink.record(&found),
            Err(fault) => sink.refused(CorpusError::Record { record, line, fault })?,
        }
        Ok(())
    }

    fn fault(&self, line: u64, fault: Fault) -> CorpusError {
        CorpusError::Record { record: self.records, line, fault }
    }
}

/// The fence that `line` opens a code block with.
fn opening_fence(line: &str) -> Option<String> {
    let inner = line.trim_start_matches(' ');
    let mark = inner.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let length = inner.chars().take_while(|c| *c == mark).count();
    let info_is_plain = mark == '~' || !inner[length..].contains('`');
    (length >= 3 && info_is_plain).then(|| inner[..length].to_owned())
}

fn closes(line: &str, fence: &str) -> bool {
    let inner = line.trim();
    inner.starts_with(fence) && inner.chars().all(|c| fence.starts_with(c))
}

/// What a Markdown section holds: a passage, or what in it is never closed.
type Found<'a> = Result<&'a str, &'static str>;

/// Calls `each` with everything that a Markdown section holds and the byte where it starts; whether anything was left out.
fn markdown_passages(
    section: &str,
    each: &mut impl FnMut(Found<'_>, usize) -> Result<(), CorpusError>,
) -> Result<bool, CorpusError> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut passage = Passage::default();
    for (event, range) in Parser::new_ext(section, options).into_offset_iter() {
        if let Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(_))) = &event
            && !is_closed(&section[range.clone()])
        {
            each(Err(FENCE), range.start)?;
        }
        passage.take(event, range.start, each)?;
    }
    passage.flush(each)?;
    Ok(passage.left_out)
}

/// Whether a code block ends with its fence, in lists and quotes too.
fn is_closed(block: &str) -> bool {
    let mut lines = block.lines().map(|line| line.trim_start_matches([' ', '\t', '>']));
    let fence = lines.next().and_then(opening_fence).unwrap_or_default();
    lines.next_back().is_some_and(|last| closes(last, &fence))
}

#[derive(Default)]
struct Passage {
    raw: String,
    collapsed: String,
    start: usize,
    /// Depth inside what is left out.
    skipped: usize,
    /// Depth inside list items and quotes: their paragraphs stay together.
    holders: usize,
    /// A cell of a table has begun that is not the row's first.
    next_cell: bool,
    /// The block of HTML under way.
    html: String,
    /// Something was left out.
    left_out: bool,
}

impl Passage {
    fn take(
        &mut self,
        event: Event<'_>,
        start: usize,
        each: &mut impl FnMut(Found<'_>, usize) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        match event {
            Event::Start(
                Tag::CodeBlock(_) | Tag::Heading { .. } | Tag::TableHead | Tag::Image { .. } | Tag::MetadataBlock(_),
            ) => {
                self.skipped += 1;
                self.left_out = true;
            }
            Event::End(
                TagEnd::CodeBlock | TagEnd::Heading(_) | TagEnd::TableHead | TagEnd::Image | TagEnd::MetadataBlock(_),
            ) => self.skipped = self.skipped.saturating_sub(1),
            Event::Start(Tag::Item | Tag::BlockQuote(_)) => {
                self.flush(each)?;
                self.holders += 1;
            }
            Event::End(TagEnd::Item | TagEnd::BlockQuote(_)) => {
                self.flush(each)?;
                self.holders = self.holders.saturating_sub(1);
            }
            Event::Start(Tag::TableRow | Tag::HtmlBlock) | Event::End(TagEnd::TableRow) => self.flush(each)?,
            Event::Start(Tag::TableCell) => self.next_cell = !self.raw.is_empty(),
            Event::Html(html) => {
                if self.html.is_empty() {
                    self.start = start;
                }
                self.html.push_str(&html);
            }
            Event::End(TagEnd::HtmlBlock) => self.end_html(each)?,
            Event::End(TagEnd::Paragraph) if self.holders == 0 => self.flush(each)?,
            Event::Start(Tag::Paragraph) | Event::End(TagEnd::Paragraph) | Event::SoftBreak | Event::HardBreak => {
                self.raw.push(' ');
            }
            Event::Text(text) | Event::Code(text) if self.skipped == 0 => {
                if self.raw.trim_start().is_empty() {
                    self.start = start;
                }
                if std::mem::take(&mut self.next_cell) {
                    self.raw.push_str(" | ");
                }
                self.raw.push_str(&text);
            }
            _ => {}
        }
        Ok(())
    }

    /// The block of HTML is complete.
    fn end_html(
        &mut self,
        each: &mut impl FnMut(Found<'_>, usize) -> Result<(), CorpusError>,
    ) -> Result<(), CorpusError> {
        let markup = markup::read(&std::mem::take(&mut self.html));
        self.left_out = true;
        for text in &markup.passages {
            self.raw.push_str(text);
            self.flush(each)?;
        }
        markup.open.map_or(Ok(()), |what| each(Err(what), self.start))
    }

    fn flush(&mut self, each: &mut impl FnMut(Found<'_>, usize) -> Result<(), CorpusError>) -> Result<(), CorpusError> {
        self.collapsed.clear();
        collapse_into(&mut self.collapsed, &self.raw);
        self.raw.clear();
        self.next_cell = false;
        if self.collapsed.is_empty() { Ok(()) } else { each(Ok(&self.collapsed), self.start) }
    }
}
