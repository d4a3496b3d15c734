//! Calls: of macros, and of the functions that templates have.

use super::{Given, Machine, PLACE, Scope};
use crate::date::strftime;
use crate::fault::{Fault, Run, failed, shown};
use crate::text::Text;
use crate::value::{Function, Value};

/// Most numbers of a `range`, as in Jinja's sandbox.
const MAX_RANGE: usize = 100_000;

impl Machine<'_> {
    pub(crate) fn call(&mut self, function: &Value, given: Given) -> Run<Value> {
        match function {
            Value::Macro(at) => self.call_macro(*at, given),
            Value::Function(function) => self.call_function(*function, given),
            other => failed(format!("{} cannot be called", other.kind())),
        }
    }

    fn call_macro(&mut self, at: usize, given: Given) -> Run<Value> {
        self.budget.write(PLACE)?;
        let (called, scope) = &self.macros[at];
        let (called, inner) = (*called, Scope::new(Some(scope.clone())));
        let name = shown(&called.name, 60);
        let Given { plain, mut named } = given;
        self.budget.steps(called.params.len() * (1 + named.len()) / 4)?;
        if plain.len() > called.params.len() {
            return failed(format!("the macro {name} takes {} arguments", called.params.len()));
        }
        if let Some(caller) = named.iter().position(|(name, _)| &**name == "caller") {
            let (name, value) = named.swap_remove(caller);
            inner.set(&name, value);
        }
        let outer = std::mem::replace(&mut self.scope, inner);
        let mut plain = plain.into_iter();
        for (param, default) in &called.params {
            let by_name = named.iter().position(|(name, _)| name == param).map(|at| named.swap_remove(at).1);
            let value = match (plain.next(), by_name) {
                (Some(_), Some(_)) => return failed(format!("the macro {name} is given {param} twice")),
                (Some(value), None) | (None, Some(value)) => value,
                (None, None) => match default {
                    Some(default) => self.eval(default)?,
                    None => Value::Undefined(Some(param.clone())),
                },
            };
            self.budget.write(PLACE)?;
            self.scope.set(param, value);
        }
        if let Some((unknown, _)) = named.first() {
            return failed(format!("the macro {name} takes no argument {}", shown(unknown, 60)));
        }
        self.out.push(Text::default());
        self.body(&called.body)?;
        let text = self.out.pop().unwrap_or_default();
        self.scope = outer;
        Value::counted(text, &mut self.budget)
    }

    fn call_function(&mut self, function: Function, given: Given) -> Run<Value> {
        match function {
            Function::RaiseException => {
                let [message] = given.under("raise_exception", ["message"])?;
                let message = message.unwrap_or(Value::None).to_text(&mut self.budget)?;
                Err(Fault::refused(&message))
            }
            Function::StrftimeNow => match given.under("strftime_now", ["format"])? {
                [Some(Value::Str(format))] => {
                    self.budget.read(format.len())?;
                    self.budget.write(12 * format.len())?;
                    let date = strftime(format.as_str())?;
                    let of_people = !format.people().is_empty();
                    Value::text(if of_people { Text::of_people(date) } else { Text::own(date) }, &mut self.budget)
                }
                _ => failed("strftime_now takes a format"),
            },
            Function::Range => self.range(&given.plain),
            Function::Namespace => {
                self.budget.write(PLACE * (1 + given.named.len()))?;
                let mut names = given.named;
                for source in given.plain {
                    let Value::Dict(dict) = source else { return failed("namespace takes names and a dictionary") };
                    self.budget.write(PLACE * dict.entries.len())?;
                    for (key, value) in &dict.entries {
                        let Value::Str(key) = key else { return failed("a namespace has names and no other keys") };
                        if !names.iter().any(|(name, _)| **name == *key.as_str()) {
                            self.budget.steps(names.len() / 4)?;
                            names.push((key.as_str().into(), value.clone()));
                        }
                    }
                }
                self.namespaces.push(names);
                Ok(Value::Namespace(self.namespaces.len() - 1))
            }
            Function::Dict => {
                let mut pairs = Vec::new();
                for source in given.plain {
                    let Value::Dict(dict) = source else { return failed("dict takes names and dictionaries") };
                    self.budget.write(2 * size_of::<Value>() * dict.entries.len())?;
                    pairs.extend(dict.entries.iter().cloned());
                }
                pairs.extend(given.named.into_iter().map(|(name, value)| (Value::own(&*name), value)));
                Value::dict(pairs, &mut self.budget)
            }
        }
    }

    fn range(&mut self, given: &[Value]) -> Run<Value> {
        let numbers: Option<Vec<i64>> = given.iter().map(Value::int).collect();
        let (start, stop, step) = match numbers.as_deref() {
            Some([stop]) => (0, *stop, 1),
            Some([start, stop]) => (*start, *stop, 1),
            Some([start, stop, step]) if *step != 0 => (*start, *stop, *step),
            _ => return failed("range takes 1 to 3 integers, of which the step is not 0"),
        };
        let (mut numbers, mut at) = (Vec::new(), start);
        while if step > 0 { at < stop } else { at > stop } {
            if numbers.len() >= MAX_RANGE {
                return failed(format!("a range has more than {MAX_RANGE} numbers"));
            }
            numbers.push(Value::Int(at));
            at = at.saturating_add(step);
            if at == i64::MAX || at == i64::MIN {
                break;
            }
        }
        Value::list(numbers, &mut self.budget)
    }
}
