//! What an expression is worth.

use std::sync::Arc;

use super::Machine;
use crate::ast::{Args, Comparison, Expr, Name, Operator, Post};
use crate::fault::{Run, failed, shown};
use crate::ops;
use crate::text::Text;
use crate::value::{Loop, Value};

/// The arguments of a call.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) plain: Vec<Value>,
    pub(crate) named: Vec<(Name, Value)>,
}

impl Given {
    /// The arguments under these names, in their order.
    pub(crate) fn under<const N: usize>(self, what: &str, names: [&str; N]) -> Run<[Option<Value>; N]> {
        let mut values = [const { None }; N];
        if self.plain.len() > N {
            return failed(format!("{what} takes {N} arguments and no more"));
        }
        for (place, value) in values.iter_mut().zip(self.plain) {
            *place = Some(value);
        }
        for (name, value) in self.named {
            match names.iter().position(|known| **known == *name) {
                Some(at) if values[at].is_none() => values[at] = Some(value),
                Some(_) => return failed(format!("{what} is given {name} twice")),
                None => return failed(format!("{what} takes no argument {}", shown(&name, 60))),
            }
        }
        Ok(values)
    }
}

impl<'t> Machine<'t> {
    pub(super) fn eval(&mut self, expr: &'t Expr) -> Run<Value> {
        self.budget.step()?;
        match expr {
            Expr::None => Ok(Value::None),
            Expr::Bool(is) => Ok(Value::Bool(*is)),
            Expr::Int(number) => Ok(Value::Int(*number)),
            Expr::Float(number) => Ok(Value::Float(*number)),
            Expr::Str(text) => Ok(Value::Str(text.clone())),
            Expr::Name(name) => self.variable(name),
            nested => {
                self.budget.enter()?;
                let value = self.nested(nested)?;
                self.budget.leave();
                Ok(value)
            }
        }
    }

    fn nested(&mut self, expr: &'t Expr) -> Run<Value> {
        match expr {
            Expr::List(items) => {
                let items = self.all(items)?;
                Value::list(items, &mut self.budget)
            }
            Expr::Dict(pairs) => self.dict(pairs),
            Expr::Not(value) => Ok(Value::Bool(!self.eval(value)?.is_true())),
            Expr::Negative(value) => {
                let value = self.eval(value)?;
                ops::negative(&value)
            }
            Expr::And(parts) => self.first(parts, false),
            Expr::Or(parts) => self.first(parts, true),
            Expr::Compare(first, rest) => self.compared(first, rest),
            Expr::Operate(first, rest) => self.operated(first, rest),
            Expr::Concat(parts) => self.concat(parts),
            Expr::Choose(arms, otherwise) => self.chosen(arms, otherwise.as_deref()),
            Expr::Postfix(value, posts) => self.postfix(value, posts),
            simple => self.eval(simple),
        }
    }

    fn all(&mut self, items: &'t [Expr]) -> Run<Vec<Value>> {
        items.iter().map(|item| self.eval(item)).collect()
    }

    fn dict(&mut self, pairs: &'t [(Expr, Expr)]) -> Run<Value> {
        let mut entries = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            entries.push((self.eval(key)?, self.eval(value)?));
        }
        Value::dict(entries, &mut self.budget)
    }

    /// The first part that is true, or that is not; else the last.
    fn first(&mut self, parts: &'t [Expr], wanted: bool) -> Run<Value> {
        let mut value = Value::None;
        for part in parts {
            value = self.eval(part)?;
            if value.is_true() == wanted {
                break;
            }
        }
        Ok(value)
    }

    fn compared(&mut self, first: &'t Expr, rest: &'t [(Comparison, Expr)]) -> Run<Value> {
        let mut left = self.eval(first)?;
        for (comparison, right) in rest {
            let right = self.eval(right)?;
            if !ops::compare(&left, *comparison, &right, &mut self.budget)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    fn operated(&mut self, first: &'t Expr, rest: &'t [(Operator, Expr)]) -> Run<Value> {
        let mut left = self.eval(first)?;
        for (operator, right) in rest {
            let right = self.eval(right)?;
            left = ops::operate(&left, *operator, &right, &mut self.budget)?;
        }
        Ok(left)
    }

    fn concat(&mut self, parts: &'t [Expr]) -> Run<Value> {
        let mut texts = Vec::with_capacity(parts.len());
        for value in self.all(parts)? {
            texts.push(value.to_text(&mut self.budget)?);
        }
        let texts: Vec<&Text> = texts.iter().map(AsRef::as_ref).collect();
        ops::joined(&texts, &mut self.budget)
    }

    fn chosen(&mut self, arms: &'t [(Expr, Expr)], otherwise: Option<&'t Expr>) -> Run<Value> {
        for (value, test) in arms {
            if self.eval(test)?.is_true() {
                return self.eval(value);
            }
        }
        otherwise.map_or(Ok(Value::Undefined(None)), |otherwise| self.eval(otherwise))
    }

    pub(super) fn postfix(&mut self, value: &'t Expr, posts: &'t [Post]) -> Run<Value> {
        let (mut value, mut posts) = (self.eval(value)?, posts.iter().peekable());
        while let Some(post) = posts.next() {
            self.budget.step()?;
            value = match post {
                Post::Attribute(name) => match posts.peek() {
                    Some(Post::Call(args)) if has_methods(&value) => {
                        posts.next();
                        let given = self.given(args)?;
                        self.method(&value, name, given)?
                    }
                    _ => self.attribute(&value, name)?,
                },
                Post::Item(key) => {
                    let key = self.eval(key)?;
                    match (&value, &key) {
                        (Value::Namespace(_) | Value::Loop(_), Value::Str(name)) => {
                            self.attribute(&value, &Arc::from(name.as_str()))?
                        }
                        _ => ops::item(&value, &key, &mut self.budget)?,
                    }
                }
                Post::Slice(parts) => {
                    let mut bounds = [None; 3];
                    for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                        *bound = part.as_ref().map(|part| self.bound(part)).transpose()?.flatten();
                    }
                    ops::slice(&value, bounds, &mut self.budget)?
                }
                Post::Call(args) => {
                    let given = self.given(args)?;
                    self.call(&value, given)?
                }
                Post::Filter(name, args) => {
                    let given = self.given(args)?;
                    self.filter(name, value, given)?
                }
                Post::Test { name, args, negated } => {
                    let given = self.given(args)?;
                    Value::Bool(self.test(name, &value, given)? != *negated)
                }
            };
        }
        Ok(value)
    }

    fn bound(&mut self, part: &'t Expr) -> Run<Option<i64>> {
        match self.eval(part)? {
            Value::None => Ok(None),
            other => match other.int() {
                Some(number) => Ok(Some(number)),
                None => failed(format!("a slice is cut at integers and not at {}", other.kind())),
            },
        }
    }

    pub(super) fn given(&mut self, args: &'t Args) -> Run<Given> {
        let plain = self.all(&args.plain)?;
        let mut named = Vec::with_capacity(args.named.len());
        for (name, value) in &args.named {
            named.push((name.clone(), self.eval(value)?));
        }
        Ok(Given { plain, named })
    }

    /// `value.name`; undefined where it is not there.
    pub(crate) fn attribute(&mut self, value: &Value, name: &Name) -> Run<Value> {
        let found = match value {
            Value::Undefined(_) => return failed(format!("{} has no {}", value.kind(), shown(name, 60))),
            Value::Dict(dict) => dict.named(name, &mut self.budget)?,
            Value::Namespace(at) => {
                let names = &self.namespaces[*at];
                self.budget.steps(names.len() / 4)?;
                names.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
            Value::Loop(state) => loop_attribute(state, name),
            _ => None,
        };
        Ok(found.unwrap_or_else(|| Value::Undefined(Some(name.clone()))))
    }
}

fn has_methods(value: &Value) -> bool {
    !matches!(value, Value::Namespace(_))
}

fn loop_attribute(state: &Loop, name: &str) -> Option<Value> {
    let length = state.items.items.len();
    let int = |number: usize| i64::try_from(number).ok().map(Value::Int);
    match name {
        "index" => int(state.at + 1),
        "index0" => int(state.at),
        "revindex" => int(length - state.at),
        "revindex0" => int(length - state.at - 1),
        "first" => Some(Value::Bool(state.at == 0)),
        "last" => Some(Value::Bool(state.at + 1 == length)),
        "length" => int(length),
        "depth" => Some(Value::Int(state.depth)),
        "depth0" => Some(Value::Int(state.depth - 1)),
        "previtem" => state.items.items.get(state.at.checked_sub(1)?).cloned(),
        "nextitem" => state.items.items.get(state.at + 1).cloned(),
        _ => None,
    }
}
