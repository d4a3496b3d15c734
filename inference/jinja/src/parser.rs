//! From tokens to a tree: the grammar of Jinja, less what reads other files or is no part of transformers.

mod expression;

use std::sync::Arc;

use crate::ast::{Body, For, Macro, Name, Post, Spot, Stmt, Target};
use crate::fault::TemplateError;
use crate::lexer::{Token, tokens};
use crate::text::Text;

/// Most bytes of a template: the longest that are in use have 20 thousand.
pub(crate) const MAX_SOURCE_BYTES: usize = 64 << 10;
/// Most tags, parentheses and the like within each other.
const MAX_NEST: usize = 48;

pub(crate) type Parse<T> = Result<T, TemplateError>;

pub(crate) fn parse(source: &str) -> Parse<Body> {
    if source.len() > MAX_SOURCE_BYTES {
        let what = format!("the chat template has {} bytes; at most {MAX_SOURCE_BYTES} are run", source.len());
        return Err(TemplateError::Source { line: 1, what });
    }
    let mut parser = Parser { tokens: tokens(source)?, at: 0, nest: 0, loops: 0 };
    let (body, end) = parser.body(&[])?;
    debug_assert!(end.is_empty());
    Ok(body)
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    at: usize,
    nest: usize,
    /// Loops around this place, within its macro.
    loops: usize,
}

impl Parser {
    fn line(&self) -> usize {
        let last = self.tokens.last().map_or(1, |(line, _)| *line);
        self.tokens.get(self.at).map_or(last, |(line, _)| *line)
    }

    fn error<T>(&self, what: impl Into<String>) -> Parse<T> {
        Err(TemplateError::Source { line: self.line(), what: what.into() })
    }

    fn unexpected<T>(&self, wanted: &str) -> Parse<T> {
        self.error(format!("found {} where {wanted} should be", self.described()))
    }

    fn described(&self) -> String {
        match self.peek() {
            None => "the end".to_owned(),
            Some(Token::Data(_)) => "text".to_owned(),
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Str(_)) => "a string".to_owned(),
            Some(Token::Int(_) | Token::Float(_)) => "a number".to_owned(),
            Some(Token::Operator(operator)) => (*operator).to_owned(),
            Some(Token::EmitStart) => "{{".to_owned(),
            Some(Token::EmitEnd) => "}}".to_owned(),
            Some(Token::BlockStart) => "{%".to_owned(),
            Some(Token::BlockEnd) => "%}".to_owned(),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn is_operator(&self, operator: &str) -> bool {
        matches!(self.peek(), Some(Token::Operator(found)) if *found == operator)
    }

    fn is_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Token::Name(found)) if found == name)
    }

    fn skip_operator(&mut self, operator: &str) -> bool {
        let found = self.is_operator(operator);
        self.at += usize::from(found);
        found
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.is_name(name);
        self.at += usize::from(found);
        found
    }

    fn expect_operator(&mut self, operator: &str) -> Parse<()> {
        if self.skip_operator(operator) { Ok(()) } else { self.unexpected(operator) }
    }

    fn expect(&mut self, token: &Token, called: &str) -> Parse<()> {
        if self.peek() != Some(token) {
            return self.unexpected(called);
        }
        self.at += 1;
        Ok(())
    }

    fn name(&mut self) -> Parse<Name> {
        let Some(Token::Name(name)) = self.peek() else { return self.unexpected("a name") };
        let name = Arc::from(name.as_str());
        self.at += 1;
        Ok(name)
    }

    /// Goes one level deeper.
    fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parse<T>) -> Parse<T> {
        self.nest += 1;
        if self.nest > MAX_NEST {
            return self.error(format!("more than {MAX_NEST} tags and parentheses lie within each other"));
        }
        let parsed = parse(self);
        self.nest -= 1;
        parsed
    }

    /// Statements until a tag that begins with one of these names, which is read; its name. With no names, until the end.
    fn body(&mut self, ends: &[&str]) -> Parse<(Body, String)> {
        let mut body = Vec::new();
        loop {
            let line = self.line();
            let stmt = match self.peek() {
                None if ends.is_empty() => return Ok((body, String::new())),
                None => return self.error(format!("{{% {} %}} is missing; is the file cut short?", ends.join(" or "))),
                Some(Token::Data(data)) => {
                    let data = Stmt::Data(Arc::new(Text::own(data.as_str())));
                    self.at += 1;
                    data
                }
                Some(Token::EmitStart) => {
                    self.at += 1;
                    let value = self.tuple(&[])?;
                    self.expect(&Token::EmitEnd, "}}")?;
                    Stmt::Emit(value)
                }
                Some(Token::BlockStart) => {
                    self.at += 1;
                    let name = self.name()?;
                    if ends.contains(&&*name) {
                        return Ok((body, name.to_string()));
                    }
                    self.nested(|parser| parser.statement(&name))?
                }
                Some(_) => return self.unexpected("text or a tag"),
            };
            body.push(Spot { line, stmt });
        }
    }

    /// A body, and the end of the tag that ends it.
    fn block(&mut self, end: &str) -> Parse<Body> {
        self.block_end()?;
        let (body, _) = self.body(&[end])?;
        self.block_end()?;
        Ok(body)
    }

    fn block_end(&mut self) -> Parse<()> {
        self.expect(&Token::BlockEnd, "%}")
    }

    fn statement(&mut self, name: &str) -> Parse<Stmt> {
        match name {
            "if" => self.if_stmt(),
            "for" => self.for_stmt(),
            "set" => self.set_stmt(),
            "with" => self.with_stmt(),
            "macro" => {
                let name = self.name()?;
                let body = self.macro_body(name.clone(), "endmacro", true)?;
                Ok(Stmt::Macro(name, body))
            }
            "call" => self.call_stmt(),
            "filter" => {
                let filters = self.filters()?;
                Ok(Stmt::Filter(filters, self.block("endfilter")?))
            }
            // What transformers marks as the model's own words when it trains; nothing else.
            "generation" => Ok(Stmt::Scope(self.block("endgeneration")?)),
            "break" | "continue" => {
                if self.loops == 0 {
                    return self.error(format!("{{% {name} %}} stands in no loop"));
                }
                self.block_end()?;
                Ok(if name == "break" { Stmt::Break } else { Stmt::Continue })
            }
            "include" | "import" | "from" | "extends" | "block" => {
                self.error(format!("{{% {name} %}} reads or makes other templates, which is not supported here"))
            }
            _ => self.error(format!("the tag {{% {name} %}} is not known here")),
        }
    }

    fn if_stmt(&mut self) -> Parse<Stmt> {
        let mut arms = Vec::new();
        loop {
            let test = self.tuple(&[])?;
            self.block_end()?;
            let (body, end) = self.body(&["elif", "else", "endif"])?;
            arms.push((test, body));
            if end == "elif" {
                continue;
            }
            let otherwise = if end == "else" { self.block("endif")? } else { Vec::new() };
            if end == "endif" {
                self.block_end()?;
            }
            return Ok(Stmt::If(arms, otherwise));
        }
    }

    fn for_stmt(&mut self) -> Parse<Stmt> {
        let target = self.target(false, "in")?;
        if !self.skip_name("in") {
            return self.unexpected("in");
        }
        let iter = self.tuple_without_condition(&["recursive", "if"])?;
        let filter = if self.skip_name("if") { Some(self.expression()?) } else { None };
        if self.is_name("recursive") {
            return self.error("a recursive loop is not supported here");
        }
        self.block_end()?;
        self.loops += 1;
        let (body, end) = self.body(&["else", "endfor"])?;
        self.loops -= 1;
        let otherwise = if end == "else" { self.block("endfor")? } else { Vec::new() };
        if end == "endfor" {
            self.block_end()?;
        }
        Ok(Stmt::For(Box::new(For { target, iter, filter, body, otherwise })))
    }

    fn set_stmt(&mut self) -> Parse<Stmt> {
        let target = self.target(true, "=")?;
        if self.skip_operator("=") {
            let value = self.tuple(&[])?;
            self.block_end()?;
            return Ok(Stmt::Set(target, value));
        }
        let filters = if self.skip_operator("|") { self.filters()? } else { Vec::new() };
        Ok(Stmt::SetBlock(target, filters, self.block("endset")?))
    }

    fn with_stmt(&mut self) -> Parse<Stmt> {
        let mut values = Vec::new();
        while self.peek() != Some(&Token::BlockEnd) {
            if !values.is_empty() {
                self.expect_operator(",")?;
            }
            let target = Target::Name(self.name()?);
            self.expect_operator("=")?;
            values.push((target, self.expression()?));
        }
        Ok(Stmt::With(values, self.block("endwith")?))
    }

    fn call_stmt(&mut self) -> Parse<Stmt> {
        let caller: Name = Arc::from("caller");
        let params = if self.is_operator("(") { self.params()? } else { Vec::new() };
        let call = self.expression()?;
        let outer = std::mem::take(&mut self.loops);
        let body = self.block("endcall")?;
        self.loops = outer;
        Ok(Stmt::Call(call, Macro { name: caller, params, body }))
    }

    fn macro_body(&mut self, name: Name, end: &str, with_params: bool) -> Parse<Macro> {
        let params = if with_params { self.params()? } else { Vec::new() };
        let outer = std::mem::take(&mut self.loops);
        let body = self.block(end)?;
        self.loops = outer;
        Ok(Macro { name, params, body })
    }

    fn params(&mut self) -> Parse<Vec<(Name, Option<crate::ast::Expr>)>> {
        self.expect_operator("(")?;
        let mut params = Vec::new();
        while !self.skip_operator(")") {
            if !params.is_empty() {
                self.expect_operator(",")?;
            }
            let name = self.name()?;
            let default = if self.skip_operator("=") { Some(self.expression()?) } else { None };
            params.push((name, default));
        }
        Ok(params)
    }

    /// The filters of a block, `a|b(c)`.
    fn filters(&mut self) -> Parse<Vec<Post>> {
        let mut filters = vec![self.filter()?];
        while self.skip_operator("|") {
            filters.push(self.filter()?);
        }
        Ok(filters)
    }

    /// One name or several, before `end`.
    fn target(&mut self, attributes: bool, end: &str) -> Parse<Target> {
        let (mut targets, mut several) = (Vec::new(), false);
        loop {
            if several && (self.is_name(end) || self.is_operator(end)) {
                break;
            }
            targets.push(self.one_target(attributes)?);
            if !self.skip_operator(",") {
                break;
            }
            several = true;
        }
        match targets.pop() {
            Some(target) if !several => Ok(target),
            last => {
                targets.extend(last);
                Ok(Target::Several(targets))
            }
        }
    }

    fn one_target(&mut self, attributes: bool) -> Parse<Target> {
        if self.skip_operator("(") {
            let target = self.nested(|parser| parser.target(attributes, ")"))?;
            self.expect_operator(")")?;
            return Ok(target);
        }
        let name = self.name()?;
        if matches!(&*name, "true" | "True" | "false" | "False" | "none" | "None") {
            return self.error(format!("{name} cannot be assigned to"));
        }
        if attributes && self.skip_operator(".") {
            return Ok(Target::Attribute(name, self.name()?));
        }
        Ok(Target::Name(name))
    }
}
