//! Filters: what stands after `|`.

use std::sync::Arc;

use crate::ast::Name;
use crate::fault::{Run, failed, shown};
use crate::json::{Style, to_json};
use crate::machine::{Given, Machine};
use crate::methods::{changed, replaced, stripped};
use crate::ops;
use crate::text::{Text, is_space};
use crate::value::{List, Value};

impl Machine<'_> {
    pub(crate) fn filter(&mut self, name: &str, value: Value, given: Given) -> Run<Value> {
        match name {
            "trim" | "lower" | "upper" | "capitalize" | "title" | "replace" | "indent" | "string" | "safe"
            | "escape" | "e" => self.text_filter(name, value, given),
            "map" | "select" | "reject" | "selectattr" | "rejectattr" | "list" | "join" | "first" | "last"
            | "reverse" | "sort" | "unique" | "sum" | "min" | "max" | "batch" => self.list_filter(name, value, given),
            "length" | "count" => self.length(&value),
            "default" | "d" => {
                let [otherwise, falsy] = given.under("default", ["default_value", "boolean"])?;
                let falsy = falsy.is_some_and(|falsy| falsy.is_true());
                let missing = matches!(value, Value::Undefined(_)) || falsy && !value.is_true();
                Ok(if missing { otherwise.unwrap_or_else(|| Value::own("")) } else { value })
            }
            "items" => match &value {
                Value::Undefined(_) => Value::list(Vec::new(), &mut self.budget),
                Value::Dict(_) => self.method(&value, &Name::from("items"), Given::default()),
                other => failed(format!("items takes a dictionary and not {}", other.kind())),
            },
            "dictsort" => {
                let pairs = self.method(&value, &Name::from("items"), Given::default())?;
                self.filter("sort", pairs, given)
            }
            "attr" => {
                let [name] = given.under("attr", ["name"])?;
                let Some(Value::Str(name)) = name else { return failed("attr takes a name") };
                self.attribute(&value, &Arc::from(name.as_str()))
            }
            "int" | "float" | "abs" | "round" => self.number_filter(name, &value, given),
            "tojson" => self.json_filter(&value, given),
            other => failed(format!("the filter {} is not known here", shown(other, 60))),
        }
    }

    fn text_filter(&mut self, name: &str, value: Value, given: Given) -> Run<Value> {
        let text = value.to_text(&mut self.budget)?;
        self.budget.read(text.len())?;
        match name {
            "trim" => {
                let [chars] = given.under("trim", ["chars"])?;
                let trimmed = stripped(&text, chars.as_ref(), true, true)?;
                Value::text(trimmed, &mut self.budget)
            }
            // Not what the method of that name does.
            "title" => changed(&text, "title of words", &mut self.budget),
            "lower" | "upper" | "capitalize" => changed(&text, name, &mut self.budget),
            "replace" => {
                let [old, new, count] = given.under("replace", ["old", "new", "count"])?;
                replaced(&text, old, new, count, &mut self.budget)
            }
            "indent" => {
                let [width, first, blank] = given.under("indent", ["width", "first", "blank"])?;
                let is = |value: Option<Value>| value.is_some_and(|value| value.is_true());
                self.indented(&text, width, is(first), is(blank))
            }
            "escape" | "e" => {
                let mut escaped = Text::default();
                self.budget.write(5 * text.size())?;
                for (letter, people) in text.chars() {
                    escaped.push_part(html(letter).unwrap_or(letter.encode_utf8(&mut [0; 4])), people);
                }
                Value::counted(escaped, &mut self.budget)
            }
            _ => Ok(Value::Str(text)),
        }
    }

    fn indented(&mut self, text: &Text, width: Option<Value>, first: bool, blank: bool) -> Run<Value> {
        let indent = match width {
            None => Text::own("    "),
            Some(Value::Str(indent)) => (*indent).clone(),
            Some(width) => match width.int().and_then(|width| usize::try_from(width).ok()) {
                Some(width) => {
                    self.budget.write(width)?;
                    Text::own(" ".repeat(width))
                }
                None => return failed("indent takes a width"),
            },
        };
        self.budget.write(size_of::<Text>() * (2 + text.as_str().matches(['\n', '\r']).count()))?;
        let mut lines = text.lines();
        if text.as_str().is_empty() || text.as_str().ends_with(['\n', '\r']) {
            lines.push(Text::default());
        }
        self.budget.write(2 * text.size() + (indent.size() + 1).saturating_mul(lines.len()))?;
        let mut out = Text::default();
        for (at, line) in lines.iter().enumerate() {
            out.push_part(if at == 0 { "" } else { "\n" }, false);
            if if at == 0 { first } else { blank || line.len() > 0 } {
                out.push(&indent);
            }
            out.push(line);
        }
        Value::counted(out, &mut self.budget)
    }

    fn list_filter(&mut self, name: &str, value: Value, given: Given) -> Run<Value> {
        if name == "reverse"
            && let Value::Str(_) = &value
        {
            return ops::slice(&value, [None, None, Some(-1)], &mut self.budget);
        }
        let items = value.items(&mut self.budget)?;
        self.budget.steps(items.items.len())?;
        match name {
            "first" => Ok(items.items.first().cloned().unwrap_or(Value::Undefined(None))),
            "last" => Ok(items.items.last().cloned().unwrap_or(Value::Undefined(None))),
            "list" => Ok(Value::List(items)),
            "reverse" => Value::list(items.items.iter().rev().cloned().collect(), &mut self.budget),
            "join" => self.join(&items, given),
            "map" => self.map(&items, given),
            "select" | "reject" => self.select(&items, None, given, name == "select"),
            "selectattr" | "rejectattr" => {
                let mut given = given;
                if given.plain.is_empty() {
                    return failed(format!("{name} takes the name of an attribute"));
                }
                let attribute = given.plain.remove(0);
                self.select(&items, Some(attribute), given, name == "selectattr")
            }
            "sort" => self.sort(&items, given),
            "unique" => self.unique(&items, given),
            "sum" => {
                let mut sum = Value::Int(0);
                for item in &items.items {
                    sum = ops::operate(&sum, crate::ast::Operator::Add, item, &mut self.budget)?;
                }
                Ok(sum)
            }
            "batch" => {
                let [size] = given.under("batch", ["linecount"])?;
                let size = size.and_then(|size| size.int()).and_then(|size| usize::try_from(size).ok());
                let Some(size) = size.filter(|size| *size > 0) else { return failed("batch takes a size") };
                let mut rows = Vec::new();
                for row in items.items.chunks(size) {
                    rows.push(Value::list(row.to_vec(), &mut self.budget)?);
                }
                Value::list(rows, &mut self.budget)
            }
            _ => {
                let reverse = Given { plain: vec![Value::Bool(name == "max")], named: Vec::new() };
                let sorted = self.sort(&items, reverse)?.items(&mut self.budget)?;
                Ok(sorted.items.first().cloned().unwrap_or(Value::Undefined(None)))
            }
        }
    }

    fn join(&mut self, items: &List, given: Given) -> Run<Value> {
        let [separator, attribute] = given.under("join", ["d", "attribute"])?;
        let separator = separator.map(|separator| separator.to_text(&mut self.budget)).transpose()?;
        let separator = separator.unwrap_or_default();
        let mut out = Text::default();
        for (at, item) in items.items.iter().enumerate() {
            let item = match &attribute {
                Some(attribute) => self.path(item, attribute)?,
                None => item.clone(),
            };
            let item = item.to_text(&mut self.budget)?;
            self.budget.write(item.size() + separator.size())?;
            if at > 0 {
                out.push(&separator);
            }
            out.push(&item);
        }
        Value::counted(out, &mut self.budget)
    }

    fn map(&mut self, items: &List, mut given: Given) -> Run<Value> {
        let mut named = |wanted: &str| {
            let at = given.named.iter().position(|(name, _)| &**name == wanted)?;
            Some(given.named.remove(at).1)
        };
        let (attribute, otherwise) = (named("attribute"), named("default"));
        let mut mapped = Vec::with_capacity(items.items.len());
        if let Some(attribute) = attribute {
            for item in &items.items {
                let value = self.path(item, &attribute)?;
                let missing = matches!(value, Value::Undefined(_));
                mapped.push(if missing { otherwise.clone().unwrap_or(value) } else { value });
            }
            return Value::list(mapped, &mut self.budget);
        }
        if given.plain.is_empty() {
            return failed("map takes the name of a filter, or an attribute");
        }
        let Value::Str(filter) = given.plain.remove(0) else { return failed("map takes the name of a filter") };
        self.budget.enter()?;
        for item in &items.items {
            let given = self.again(&given)?;
            mapped.push(self.filter(filter.as_str(), item.clone(), given)?);
        }
        self.budget.leave();
        Value::list(mapped, &mut self.budget)
    }

    fn select(&mut self, items: &List, attribute: Option<Value>, mut given: Given, wanted: bool) -> Run<Value> {
        let test = if given.plain.is_empty() { None } else { Some(given.plain.remove(0)) };
        let mut kept = Vec::new();
        for item in &items.items {
            let value = match &attribute {
                Some(attribute) => self.path(item, attribute)?,
                None => item.clone(),
            };
            let holds = match &test {
                None => value.is_true(),
                Some(Value::Str(test)) => {
                    let given = self.again(&given)?;
                    self.test(test.as_str(), &value, given)?
                }
                Some(_) => return failed("the name of a test is a string"),
            };
            if holds == wanted {
                kept.push(item.clone());
            }
        }
        Value::list(kept, &mut self.budget)
    }

    /// The same arguments once more.
    fn again(&mut self, given: &Given) -> Run<Given> {
        self.budget.steps(given.plain.len() + given.named.len() + 1)?;
        Ok(Given { plain: given.plain.clone(), named: given.named.clone() })
    }

    /// What lies at `a.b.0` in a value.
    fn path(&mut self, value: &Value, path: &Value) -> Run<Value> {
        let Value::Str(path) = path else { return ops::item(value, path, &mut self.budget) };
        self.budget.read(path.len())?;
        let mut value = value.clone();
        for name in path.as_str().split('.') {
            let place = name.parse::<i64>().ok().filter(|_| matches!(value, Value::List(_) | Value::Str(_)));
            value = match place {
                Some(at) => ops::item(&value, &Value::Int(at), &mut self.budget)?,
                None => self.attribute(&value, &Name::from(name))?,
            };
        }
        Ok(value)
    }

    fn sort(&mut self, items: &List, given: Given) -> Run<Value> {
        let [reverse, cased, attribute] = given.under("sort", ["reverse", "case_sensitive", "attribute"])?;
        let [reverse, cased] = [reverse, cased].map(|is| is.is_some_and(|is| is.is_true()));
        let mut keyed = Vec::with_capacity(items.items.len());
        for item in &items.items {
            let key = match &attribute {
                Some(attribute) => self.path(item, attribute)?,
                None => item.clone(),
            };
            keyed.push((self.key(&key, cased)?, item.clone()));
        }
        let (mut fault, budget) = (None, &mut self.budget);
        keyed.sort_by(|(one, _), (two, _)| match one.order(two, budget) {
            // Also from the last, equal ones stay in their order.
            Ok(order) => {
                if reverse {
                    order.reverse()
                } else {
                    order
                }
            }
            Err(found) => {
                fault.get_or_insert(found);
                std::cmp::Ordering::Equal
            }
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        Value::list(keyed.into_iter().map(|(_, item)| item).collect(), &mut self.budget)
    }

    fn unique(&mut self, items: &List, given: Given) -> Run<Value> {
        let [cased] = given.under("unique", ["case_sensitive"])?;
        let cased = cased.is_some_and(|cased| cased.is_true());
        let (mut keys, mut kept): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
        for item in &items.items {
            let key = self.key(item, cased)?;
            let mut known = false;
            for other in &keys {
                known = known || other.equals(&key, &mut self.budget)?;
            }
            if !known {
                keys.push(key);
                kept.push(item.clone());
            }
        }
        Value::list(kept, &mut self.budget)
    }

    /// What a value is compared by.
    fn key(&mut self, value: &Value, cased: bool) -> Run<Value> {
        match value {
            Value::Str(text) if !cased => changed(text, "lower", &mut self.budget),
            _ => Ok(value.clone()),
        }
    }

    fn length(&mut self, value: &Value) -> Run<Value> {
        let length = match value {
            Value::Undefined(_) => 0,
            Value::Str(text) => {
                self.budget.read(text.len())?;
                text.as_str().chars().count()
            }
            Value::List(list) => list.items.len(),
            Value::Dict(dict) => dict.entries.len(),
            other => return failed(format!("{} has no length", other.kind())),
        };
        Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
    }

    fn number_filter(&mut self, name: &str, value: &Value, given: Given) -> Run<Value> {
        if let Value::Str(text) = value {
            self.budget.read(text.len())?;
        }
        let text = match value {
            Value::Str(text) => Some(text.as_str().trim_matches(is_space)),
            _ => None,
        };
        let number = value.float().or_else(|| text.and_then(|text| text.parse().ok()));
        match name {
            "int" => {
                let [otherwise] = given.under("int", ["default"])?;
                let whole = value.int().or_else(|| text.and_then(|text| text.parse().ok()));
                let cut = || number.filter(|number| number.abs() < 9e15).map(|number| number.trunc() as i64);
                Ok(whole.or_else(cut).map(Value::Int).or(otherwise).unwrap_or(Value::Int(0)))
            }
            "float" => {
                let [otherwise] = given.under("float", ["default"])?;
                Ok(number.map(Value::Float).or(otherwise).unwrap_or(Value::Float(0.0)))
            }
            "abs" => match (value, value.int()) {
                (_, Some(number)) => {
                    number.checked_abs().map_or_else(|| failed("the number is too large"), |n| Ok(Value::Int(n)))
                }
                (Value::Float(number), _) => Ok(Value::Float(number.abs())),
                _ => failed(format!("{} is no number", value.kind())),
            },
            _ => {
                let [precision, method] = given.under("round", ["precision", "method"])?;
                let places = precision.and_then(|places| places.int()).unwrap_or(0).clamp(-15, 15);
                let scale = 10_f64.powi(i32::try_from(places).unwrap_or(0));
                let Some(number) = value.float() else { return failed(format!("{} is no number", value.kind())) };
                let method = method.map(|method| method.to_text(&mut self.budget)).transpose()?;
                if let (Some(whole), None, true) = (value.int(), &method, places >= 0) {
                    return Ok(Value::Int(whole));
                }
                Ok(Value::Float(match method.as_ref().map_or("common", |method| method.as_str()) {
                    "common" => (number * scale).round_ties_even() / scale,
                    "ceil" => (number * scale).ceil() / scale,
                    "floor" => (number * scale).floor() / scale,
                    _ => return failed("round takes common, ceil or floor"),
                }))
            }
        }
    }

    fn json_filter(&mut self, value: &Value, given: Given) -> Run<Value> {
        let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
        let [ascii, indent, separators, sorted] = given.under("tojson", names)?;
        let is = |value: Option<Value>| value.is_some_and(|value| value.is_true());
        let indent = match indent {
            None | Some(Value::None) => None,
            Some(Value::Str(indent)) => Some((*indent).clone()),
            Some(width) => match width.int() {
                Some(width) => Some(Text::own(" ".repeat(usize::try_from(width.clamp(0, 64)).unwrap_or(0)))),
                None => return failed("tojson takes a width as indent"),
            },
        };
        let mut between_items = Text::own(if indent.is_some() { "," } else { ", " });
        let mut after_key = Text::own(": ");
        match separators {
            None | Some(Value::None) => {}
            Some(Value::List(pair)) => match pair.items.as_slice() {
                [Value::Str(one), Value::Str(two)] => {
                    (between_items, after_key) = ((**one).clone(), (**two).clone());
                }
                _ => return failed("tojson takes two strings as separators"),
            },
            Some(_) => return failed("tojson takes two strings as separators"),
        }
        let style = Style { ascii: is(ascii), indent, between_items, after_key, sorted: is(sorted) };
        let text = to_json(value, &style, &mut self.budget)?;
        Value::counted(text, &mut self.budget)
    }
}

fn html(letter: char) -> Option<&'static str> {
    Some(match letter {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\'' => "&#39;",
        '"' => "&#34;",
        _ => return None,
    })
}
