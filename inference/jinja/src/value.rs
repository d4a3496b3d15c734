//! What a template reckons with: the values of Python that Jinja's templates know.

use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;

use crate::ast::Name;
use crate::budget::Budget;
use crate::fault::{Run, failed, shown};
use crate::text::Text;

/// Most lists and dictionaries within each other.
const MAX_NEST: u8 = 32;

/// A value. Nothing in it can be changed, so that none can hold itself: what changes lies in the machine.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// What was asked for and is not there, by its name.
    Undefined(Option<Name>),
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<Text>),
    List(Rc<List>),
    Dict(Rc<Dict>),
    /// Its place in the machine.
    Namespace(usize),
    /// Its place in the machine.
    Macro(usize),
    Function(Function),
    Loop(Rc<Loop>),
}

#[derive(Debug)]
pub(crate) struct List {
    pub(crate) items: Vec<Value>,
    nest: u8,
}

/// In the order of insertion.
#[derive(Debug)]
pub(crate) struct Dict {
    pub(crate) entries: Vec<(Value, Value)>,
    nest: u8,
}

/// Where a loop is.
#[derive(Debug)]
pub(crate) struct Loop {
    pub(crate) items: Rc<List>,
    pub(crate) at: usize,
    pub(crate) depth: i64,
}

/// What a template can call by a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Dict,
    Namespace,
    RaiseException,
    Range,
    StrftimeNow,
}

impl Value {
    pub(crate) fn own(text: impl Into<String>) -> Self {
        Self::Str(Arc::new(Text::own(text)))
    }

    /// A text whose bytes have not been counted yet.
    pub(crate) fn text(text: Text, budget: &mut Budget) -> Run<Self> {
        budget.write(text.size())?;
        Self::counted(text, budget)
    }

    /// A text whose bytes have been counted before they were written.
    pub(crate) fn counted(text: Text, budget: &mut Budget) -> Run<Self> {
        budget.write(size_of::<Text>())?;
        Ok(Self::Str(Arc::new(text)))
    }

    pub(crate) fn list(items: Vec<Self>, budget: &mut Budget) -> Run<Self> {
        budget.write(size_of::<Self>() * items.len() + 48)?;
        let nest = one_more(items.iter())?;
        Ok(Self::List(Rc::new(List { items, nest })))
    }

    /// Of equal keys the last counts, in the place of the first.
    pub(crate) fn dict(pairs: Vec<(Self, Self)>, budget: &mut Budget) -> Run<Self> {
        budget.write(2 * size_of::<Self>() * pairs.len() + 48)?;
        let mut entries: Vec<(Self, Self)> = Vec::with_capacity(pairs.len());
        for (key, value) in pairs {
            if matches!(key, Self::List(_) | Self::Dict(_) | Self::Undefined(_)) {
                return failed(format!("{} is no key of a dictionary", key.kind()));
            }
            budget.steps(entries.len() / 4 + 1)?;
            let mut at = None;
            for (place, (known, _)) in entries.iter().enumerate() {
                if known.equals(&key, budget)? {
                    at = Some(place);
                }
            }
            match at {
                Some(at) => entries[at].1 = value,
                None => entries.push((key, value)),
            }
        }
        let nest = one_more(entries.iter().flat_map(|(key, value)| [key, value]))?;
        Ok(Self::Dict(Rc::new(Dict { entries, nest })))
    }

    fn nest(&self) -> u8 {
        match self {
            Self::List(list) => list.nest,
            Self::Dict(dict) => dict.nest,
            Self::Loop(state) => state.items.nest,
            _ => 0,
        }
    }

    /// What Python calls such a value, for messages.
    pub(crate) fn kind(&self) -> String {
        match self {
            Self::Undefined(Some(name)) => format!("{}, which is undefined,", shown(name, 60)),
            Self::Undefined(None) => "an undefined value".to_owned(),
            Self::None => "none".to_owned(),
            Self::Bool(_) => "a boolean".to_owned(),
            Self::Int(_) => "an integer".to_owned(),
            Self::Float(_) => "a float".to_owned(),
            Self::Str(_) => "a string".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Dict(_) => "a dictionary".to_owned(),
            Self::Namespace(_) => "a namespace".to_owned(),
            Self::Macro(_) | Self::Function(_) => "a function".to_owned(),
            Self::Loop(_) => "a loop".to_owned(),
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(is) => *is,
            Self::Int(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => text.len() > 0,
            Self::List(list) => !list.items.is_empty(),
            Self::Dict(dict) => !dict.entries.is_empty(),
            Self::Namespace(_) | Self::Macro(_) | Self::Function(_) | Self::Loop(_) => true,
        }
    }

    /// As an integer, where it is one; Python's booleans are.
    pub(crate) fn int(&self) -> Option<i64> {
        match self {
            Self::Bool(is) => Some(i64::from(*is)),
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            other => other.int().map(|number| number as f64),
        }
    }

    pub(crate) fn equals(&self, other: &Self, budget: &mut Budget) -> Run<bool> {
        budget.step()?;
        Ok(match (self, other) {
            (Self::Str(one), Self::Str(two)) => {
                budget.read(one.len().min(two.len()))?;
                one.as_str() == two.as_str()
            }
            (Self::List(one), Self::List(two)) => {
                one.items.len() == two.items.len()
                    && all(one.items.iter().zip(&two.items), |(one, two)| one.equals(two, budget))?
            }
            (Self::Dict(one), Self::Dict(two)) => {
                one.entries.len() == two.entries.len()
                    && all(one.entries.iter(), |(key, value)| match two.get(key, budget)? {
                        Some(other) => value.equals(&other, budget),
                        None => Ok(false),
                    })?
            }
            (Self::Undefined(_), Self::Undefined(_)) | (Self::None, Self::None) => true,
            (Self::Namespace(one), Self::Namespace(two)) | (Self::Macro(one), Self::Macro(two)) => one == two,
            (Self::Function(one), Self::Function(two)) => one == two,
            (one, two) => match (one.int(), two.int()) {
                (Some(one), Some(two)) => one == two,
                _ => matches!((one.float(), two.float()), (Some(one), Some(two)) if one == two),
            },
        })
    }

    /// Which of two comes first.
    pub(crate) fn order(&self, other: &Self, budget: &mut Budget) -> Run<Ordering> {
        budget.step()?;
        let no = || failed(format!("{} and {} have no order", self.kind(), other.kind()));
        match (self, other) {
            (Self::Str(one), Self::Str(two)) => {
                budget.read(one.len().min(two.len()))?;
                Ok(one.as_str().cmp(two.as_str()))
            }
            (Self::List(one), Self::List(two)) => {
                for (one, two) in one.items.iter().zip(&two.items) {
                    match one.order(two, budget)? {
                        Ordering::Equal => {}
                        order => return Ok(order),
                    }
                }
                Ok(one.items.len().cmp(&two.items.len()))
            }
            (one, two) => match (one.int(), two.int()) {
                (Some(one), Some(two)) => Ok(one.cmp(&two)),
                _ => match (one.float(), two.float()) {
                    (Some(one), Some(two)) => one.partial_cmp(&two).map_or_else(no, Ok),
                    _ => no(),
                },
            },
        }
    }

    /// As Python's `str`.
    pub(crate) fn to_text(&self, budget: &mut Budget) -> Run<Arc<Text>> {
        if let Self::Str(text) = self {
            return Ok(text.clone());
        }
        let mut text = Text::default();
        if !matches!(self, Self::Undefined(_)) {
            self.write(&mut text, budget)?;
        }
        Ok(Arc::new(text))
    }

    /// As Python's `repr`.
    fn write(&self, out: &mut Text, budget: &mut Budget) -> Run<()> {
        budget.step()?;
        budget.write(16)?;
        match self {
            Self::Undefined(_) => out.push_part("Undefined", false),
            Self::None => out.push_part("None", false),
            Self::Bool(is) => out.push_part(if *is { "True" } else { "False" }, false),
            Self::Int(number) => out.push_part(&number.to_string(), false),
            Self::Float(number) => out.push_part(&float_text(*number), false),
            Self::Str(text) => write_quoted(text, out, budget)?,
            Self::List(list) => {
                out.push_part("[", false);
                for (at, item) in list.items.iter().enumerate() {
                    out.push_part(if at == 0 { "" } else { ", " }, false);
                    item.write(out, budget)?;
                }
                out.push_part("]", false);
            }
            Self::Dict(dict) => {
                out.push_part("{", false);
                for (at, (key, value)) in dict.entries.iter().enumerate() {
                    out.push_part(if at == 0 { "" } else { ", " }, false);
                    key.write(out, budget)?;
                    out.push_part(": ", false);
                    value.write(out, budget)?;
                }
                out.push_part("}", false);
            }
            Self::Namespace(_) | Self::Macro(_) | Self::Function(_) | Self::Loop(_) => {
                return failed(format!("{} has no text", self.kind()));
            }
        }
        Ok(())
    }

    /// What a loop goes through.
    pub(crate) fn items(&self, budget: &mut Budget) -> Run<Rc<List>> {
        let items = match self {
            Self::List(list) => return Ok(list.clone()),
            Self::Undefined(_) => Vec::new(),
            Self::Dict(dict) => dict.entries.iter().map(|(key, _)| key.clone()).collect(),
            Self::Str(text) => {
                budget.write(text.len() * (size_of::<Text>() + size_of::<Self>() + 32))?;
                text.chars().map(|character| Self::Str(Arc::new(Text::collect([character])))).collect()
            }
            other => return failed(format!("{} is no list", other.kind())),
        };
        match Self::list(items, budget)? {
            Self::List(list) => Ok(list),
            _ => failed("no list"),
        }
    }

    /// Whether `item` is in it.
    pub(crate) fn contains(&self, item: &Self, budget: &mut Budget) -> Run<bool> {
        match self {
            Self::Str(text) => {
                let Self::Str(part) = item else {
                    return failed(format!("{} is in no string", item.kind()));
                };
                budget.read(text.len() + part.len())?;
                Ok(text.as_str().contains(part.as_str()))
            }
            Self::Dict(dict) => Ok(dict.get(item, budget)?.is_some()),
            Self::List(list) => {
                for other in &list.items {
                    if other.equals(item, budget)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Undefined(_) => Ok(false),
            other => failed(format!("nothing is in {}", other.kind())),
        }
    }
}

impl Dict {
    pub(crate) fn get(&self, wanted: &Value, budget: &mut Budget) -> Run<Option<Value>> {
        for (key, value) in &self.entries {
            if key.equals(wanted, budget)? {
                return Ok(Some(value.clone()));
            }
        }
        Ok(None)
    }

    pub(crate) fn named(&self, wanted: &str, budget: &mut Budget) -> Run<Option<Value>> {
        budget.steps(self.entries.len() / 4 + 1)?;
        let named = |(key, _): &&(Value, Value)| matches!(key, Value::Str(key) if key.as_str() == wanted);
        Ok(self.entries.iter().find(named).map(|(_, value)| value.clone()))
    }
}

fn one_more<'a>(values: impl Iterator<Item = &'a Value>) -> Run<u8> {
    let nest = values.map(Value::nest).max().unwrap_or(0) + 1;
    if nest > MAX_NEST {
        return failed(format!("more than {MAX_NEST} lists lie within each other"));
    }
    Ok(nest)
}

fn all<T>(mut items: impl Iterator<Item = T>, mut holds: impl FnMut(T) -> Run<bool>) -> Run<bool> {
    items.try_fold(true, |sofar, item| if sofar { holds(item) } else { Ok(false) })
}

/// As Python writes it.
pub(crate) fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let plain = number.abs() < 1e16 && (number == 0.0 || number.abs() >= 1e-4);
    if plain {
        return format!("{number:?}");
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, figures) = exponent.strip_prefix('-').map_or(('+', exponent), |figures| ('-', figures));
    format!("{mantissa}e{sign}{figures:0>2}")
}

fn write_quoted(text: &Text, out: &mut Text, budget: &mut Budget) -> Run<()> {
    budget.write(4 * text.size() + 2)?;
    let quote = if text.as_str().contains('\'') && !text.as_str().contains('"') { "\"" } else { "'" };
    out.push_part(quote, false);
    for (letter, people) in text.chars() {
        match letter {
            '\\' => out.push_part("\\\\", people),
            '\n' => out.push_part("\\n", people),
            '\r' => out.push_part("\\r", people),
            '\t' => out.push_part("\\t", people),
            '\'' if quote == "'" => out.push_part("\\'", people),
            letter if letter.is_control() => out.push_part(&format!("\\x{:02x}", u32::from(letter)), people),
            letter => out.push_part(letter.encode_utf8(&mut [0; 4]), people),
        }
    }
    out.push_part(quote, false);
    Ok(())
}
