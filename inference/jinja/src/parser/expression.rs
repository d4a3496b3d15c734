//! Expressions.

use std::sync::Arc;

use super::{Parse, Parser};
use crate::ast::{Args, Comparison, Expr, Operator, Post};
use crate::lexer::Token;
use crate::text::Text;

impl Parser {
    /// Expressions with commas between them are a list; one is itself. `ends` are names that no expression begins with.
    pub(super) fn tuple(&mut self, ends: &[&str]) -> Parse<Expr> {
        self.several(ends, Self::expression)
    }

    pub(super) fn tuple_without_condition(&mut self, ends: &[&str]) -> Parse<Expr> {
        self.several(ends, |parser| parser.nested(Self::either))
    }

    fn several(&mut self, ends: &[&str], one: impl Fn(&mut Self) -> Parse<Expr>) -> Parse<Expr> {
        let first = one(self)?;
        if !self.is_operator(",") {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip_operator(",") {
            let closed = self.is_operator(")") || matches!(self.peek(), Some(Token::EmitEnd | Token::BlockEnd));
            if closed || ends.iter().any(|end| self.is_name(end)) {
                break;
            }
            items.push(one(self)?);
        }
        Ok(Expr::List(items))
    }

    pub(super) fn expression(&mut self) -> Parse<Expr> {
        self.nested(|parser| {
            let mut last = parser.either()?;
            let mut arms = Vec::new();
            while parser.skip_name("if") {
                arms.push((last, parser.either()?));
                if !parser.skip_name("else") {
                    return Ok(Expr::Choose(arms, None));
                }
                last = parser.either()?;
            }
            Ok(if arms.is_empty() { last } else { Expr::Choose(arms, Some(Box::new(last))) })
        })
    }

    fn either(&mut self) -> Parse<Expr> {
        let mut parts = vec![self.all()?];
        while self.skip_name("or") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expr::Or))
    }

    fn all(&mut self) -> Parse<Expr> {
        let mut parts = vec![self.negation()?];
        while self.skip_name("and") {
            parts.push(self.negation()?);
        }
        Ok(one_or(parts, Expr::And))
    }

    fn negation(&mut self) -> Parse<Expr> {
        let mut count = 0;
        while self.skip_name("not") {
            count += 1;
        }
        let value = self.comparison()?;
        Ok(match count {
            0 => value,
            odd if odd % 2 == 1 => Expr::Not(Box::new(value)),
            _ => Expr::Not(Box::new(Expr::Not(Box::new(value)))),
        })
    }

    fn comparison(&mut self) -> Parse<Expr> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(comparison) = self.compared() {
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Compare(Box::new(first), rest) })
    }

    fn compared(&mut self) -> Option<Comparison> {
        let (comparison, tokens) = match self.peek()? {
            Token::Operator("==") => (Comparison::Equal, 1),
            Token::Operator("!=") => (Comparison::NotEqual, 1),
            Token::Operator("<") => (Comparison::Less, 1),
            Token::Operator("<=") => (Comparison::LessOrEqual, 1),
            Token::Operator(">") => (Comparison::Greater, 1),
            Token::Operator(">=") => (Comparison::GreaterOrEqual, 1),
            Token::Name(name) if name == "in" => (Comparison::In, 1),
            Token::Name(name) if name == "not" => match self.tokens.get(self.at + 1) {
                Some((_, Token::Name(name))) if name == "in" => (Comparison::NotIn, 2),
                _ => return None,
            },
            _ => return None,
        };
        self.at += tokens;
        Some(comparison)
    }

    fn sum(&mut self) -> Parse<Expr> {
        self.operated(&[("+", Operator::Add), ("-", Operator::Subtract)], Self::concat)
    }

    fn concat(&mut self) -> Parse<Expr> {
        let mut parts = vec![self.product()?];
        while self.skip_operator("~") {
            parts.push(self.product()?);
        }
        Ok(one_or(parts, Expr::Concat))
    }

    fn product(&mut self) -> Parse<Expr> {
        let operators = [
            ("*", Operator::Multiply),
            ("//", Operator::DivideWhole),
            ("/", Operator::Divide),
            ("%", Operator::Remainder),
        ];
        self.operated(&operators, Self::power)
    }

    fn power(&mut self) -> Parse<Expr> {
        self.operated(&[("**", Operator::Power)], |parser| parser.unary(true))
    }

    fn operated(&mut self, operators: &[(&str, Operator)], operand: impl Fn(&mut Self) -> Parse<Expr>) -> Parse<Expr> {
        let first = operand(self)?;
        let mut rest = Vec::new();
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.is_operator(sign)) {
            self.at += 1;
            rest.push((*operator, operand(self)?));
        }
        Ok(if rest.is_empty() { first } else { Expr::Operate(Box::new(first), rest) })
    }

    fn unary(&mut self, with_filters: bool) -> Parse<Expr> {
        let value = if self.skip_operator("-") {
            Expr::Negative(Box::new(self.nested(|parser| parser.unary(false))?))
        } else if self.skip_operator("+") {
            self.nested(|parser| parser.unary(false))?
        } else {
            self.primary()?
        };
        let mut posts = Vec::new();
        while let Some(post) = self.postfix()? {
            posts.push(post);
        }
        while let Some(post) = if with_filters { self.filtered()? } else { None } {
            posts.push(post);
        }
        Ok(if posts.is_empty() { value } else { Expr::Postfix(Box::new(value), posts) })
    }

    /// A filter, a test, or a call of what came of one.
    fn filtered(&mut self) -> Parse<Option<Post>> {
        Ok(if self.skip_operator("|") {
            Some(self.filter()?)
        } else if self.skip_name("is") {
            Some(self.test()?)
        } else if self.is_operator("(") {
            Some(Post::Call(self.args()?))
        } else {
            None
        })
    }

    fn primary(&mut self) -> Parse<Expr> {
        let Some((_, token)) = self.tokens.get(self.at) else { return self.unexpected("a value") };
        let value = match token {
            Token::Name(name) => match name.as_str() {
                "true" | "True" => Expr::Bool(true),
                "false" | "False" => Expr::Bool(false),
                "none" | "None" => Expr::None,
                "is" | "in" | "and" | "or" | "if" | "else" => return self.unexpected("a value"),
                name => Expr::Name(Arc::from(name)),
            },
            Token::Int(number) => Expr::Int(*number),
            Token::Float(number) => Expr::Float(*number),
            Token::Str(_) => return Ok(self.string()),
            Token::Operator("(") => return self.nested(Self::parenthesis),
            Token::Operator("[") => return self.nested(Self::list),
            Token::Operator("{") => return self.nested(Self::dict),
            _ => return self.unexpected("a value"),
        };
        self.at += 1;
        Ok(value)
    }

    /// Strings beside each other are one.
    fn string(&mut self) -> Expr {
        let mut text = String::new();
        while let Some(Token::Str(part)) = self.peek() {
            text.push_str(part);
            self.at += 1;
        }
        Expr::Str(Arc::new(Text::own(text)))
    }

    fn parenthesis(&mut self) -> Parse<Expr> {
        self.at += 1;
        if self.skip_operator(")") {
            return Ok(Expr::List(Vec::new()));
        }
        let value = self.tuple(&[])?;
        self.expect_operator(")")?;
        Ok(value)
    }

    fn list(&mut self) -> Parse<Expr> {
        self.at += 1;
        let mut items = Vec::new();
        while !self.skip_operator("]") {
            if !items.is_empty() {
                self.expect_operator(",")?;
                if self.skip_operator("]") {
                    break;
                }
            }
            items.push(self.expression()?);
        }
        Ok(Expr::List(items))
    }

    fn dict(&mut self) -> Parse<Expr> {
        self.at += 1;
        let mut pairs = Vec::new();
        while !self.skip_operator("}") {
            if !pairs.is_empty() {
                self.expect_operator(",")?;
                if self.skip_operator("}") {
                    break;
                }
            }
            let key = self.expression()?;
            self.expect_operator(":")?;
            pairs.push((key, self.expression()?));
        }
        Ok(Expr::Dict(pairs))
    }

    fn postfix(&mut self) -> Parse<Option<Post>> {
        if self.skip_operator(".") {
            if let Some(Token::Int(at)) = self.peek() {
                let at = *at;
                self.at += 1;
                return Ok(Some(Post::Item(Expr::Int(at))));
            }
            return Ok(Some(Post::Attribute(self.name()?)));
        }
        if self.skip_operator("[") {
            let post = self.nested(Self::subscript)?;
            self.expect_operator("]")?;
            return Ok(Some(post));
        }
        if self.is_operator("(") {
            return Ok(Some(Post::Call(self.args()?)));
        }
        Ok(None)
    }

    fn subscript(&mut self) -> Parse<Post> {
        let first = if self.is_operator(":") { None } else { Some(self.expression()?) };
        if !self.skip_operator(":") {
            return first.map_or_else(|| self.unexpected("a value"), |item| Ok(Post::Item(item)));
        }
        let mut parts = [first, None, None];
        for part in &mut parts[1..] {
            if !self.is_operator("]") && !self.is_operator(":") {
                *part = Some(self.expression()?);
            }
            if !self.skip_operator(":") {
                break;
            }
        }
        Ok(Post::Slice(Box::new(parts)))
    }

    pub(super) fn filter(&mut self) -> Parse<Post> {
        let name = self.name()?;
        let args = if self.is_operator("(") { self.args()? } else { Args::default() };
        Ok(Post::Filter(name, args))
    }

    fn test(&mut self) -> Parse<Post> {
        let negated = self.skip_name("not");
        let name = self.name()?;
        let ends = ["else", "or", "and", "is", "if", "not", "in"];
        let args = match self.peek() {
            Some(Token::Operator("(")) => self.args()?,
            Some(Token::Name(next)) if ends.contains(&next.as_str()) => Args::default(),
            Some(Token::Name(_) | Token::Str(_) | Token::Int(_) | Token::Float(_) | Token::Operator("[" | "{")) => {
                let (value, mut posts) = (self.primary()?, Vec::new());
                while let Some(post) = self.postfix()? {
                    posts.push(post);
                }
                let value = if posts.is_empty() { value } else { Expr::Postfix(Box::new(value), posts) };
                Args { plain: vec![value], named: Vec::new() }
            }
            _ => Args::default(),
        };
        Ok(Post::Test { name, args, negated })
    }

    fn args(&mut self) -> Parse<Args> {
        self.expect_operator("(")?;
        let mut args = Args::default();
        let mut first = true;
        while !self.skip_operator(")") {
            if !first {
                self.expect_operator(",")?;
                if self.skip_operator(")") {
                    break;
                }
            }
            first = false;
            if self.is_operator("*") || self.is_operator("**") {
                return self.error("* and ** in the arguments of a call are not supported here");
            }
            let named = matches!(self.tokens.get(self.at + 1), Some((_, Token::Operator("="))));
            match self.peek() {
                Some(Token::Name(_)) if named => {
                    let name = self.name()?;
                    self.at += 1;
                    args.named.push((name, self.expression()?));
                }
                _ if !args.named.is_empty() => return self.error("an argument without a name follows one with a name"),
                _ => args.plain.push(self.expression()?),
            }
        }
        Ok(args)
    }
}

/// The only part, or the parts together.
fn one_or(mut parts: Vec<Expr>, together: impl FnOnce(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(part) if parts.is_empty() => part,
        last => {
            parts.extend(last);
            together(parts)
        }
    }
}
