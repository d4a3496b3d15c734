//! Methods of strings, lists and dictionaries, as Python has them, less those that change what they are called on: the
//! sandbox of transformers refuses these too.

use std::sync::Arc;

use crate::ast::Name;
use crate::budget::Budget;
use crate::fault::{Run, failed, shown};
use crate::machine::{Given, Machine};
use crate::ops;
use crate::text::{Text, is_space};
use crate::value::{Dict, List, Loop, Value};

impl Machine<'_> {
    pub(crate) fn method(&mut self, value: &Value, name: &Name, given: Given) -> Run<Value> {
        match value {
            Value::Str(text) => self.of_string(text, name, given),
            Value::Dict(dict) => self.of_dict(value, dict, name, given),
            Value::List(list) => self.of_list(list, name, given),
            Value::Loop(state) => self.of_loop(state, name, &given),
            Value::Undefined(_) => failed(format!("{} has no {}", value.kind(), shown(name, 60))),
            other => failed(format!("{} has no method {}", other.kind(), shown(name, 60))),
        }
    }

    fn of_dict(&mut self, value: &Value, dict: &Dict, name: &Name, given: Given) -> Run<Value> {
        let budget = &mut self.budget;
        match &**name {
            "get" => {
                let [key, otherwise] = given.under("get", ["key", "default"])?;
                let Some(key) = key else { return failed("get takes a key") };
                Ok(dict.get(&key, budget)?.or(otherwise).unwrap_or(Value::None))
            }
            "items" => {
                let mut pairs = Vec::with_capacity(dict.entries.len());
                for (key, value) in &dict.entries {
                    pairs.push(Value::list(vec![key.clone(), value.clone()], budget)?);
                }
                Value::list(pairs, budget)
            }
            "keys" => Value::list(dict.entries.iter().map(|(key, _)| key.clone()).collect(), budget),
            "values" => Value::list(dict.entries.iter().map(|(_, value)| value.clone()).collect(), budget),
            "copy" => Ok(value.clone()),
            "update" | "pop" | "popitem" | "setdefault" | "clear" => changes("a dictionary", name),
            _ => match dict.named(name, budget)? {
                Some(function) => self.call(&function, given),
                None => failed(format!("a dictionary has no method {}", shown(name, 60))),
            },
        }
    }

    fn of_list(&mut self, list: &List, name: &Name, given: Given) -> Run<Value> {
        let budget = &mut self.budget;
        match &**name {
            "count" | "index" => {
                let [wanted] = given.under(name, ["value"])?;
                let Some(wanted) = wanted else { return failed(format!("{name} takes a value")) };
                let (mut count, mut first) = (0, None);
                for (at, item) in (0..).zip(&list.items) {
                    if item.equals(&wanted, budget)? {
                        count += 1;
                        first = first.or(Some(at));
                    }
                }
                match first {
                    _ if &**name == "count" => Ok(Value::Int(count)),
                    Some(at) => Ok(Value::Int(at)),
                    None => failed("the list has no such item"),
                }
            }
            "copy" => ops::slice(&Value::list(list.items.clone(), budget)?, [None; 3], budget),
            "append" | "extend" | "insert" | "pop" | "remove" | "reverse" | "sort" | "clear" => changes("a list", name),
            _ => failed(format!("a list has no method {}", shown(name, 60))),
        }
    }

    fn of_loop(&mut self, state: &Loop, name: &Name, given: &Given) -> Run<Value> {
        match &**name {
            "cycle" if !given.plain.is_empty() => Ok(given.plain[state.at % given.plain.len()].clone()),
            _ => failed(format!("a loop has no method {} here", shown(name, 60))),
        }
    }

    fn of_string(&mut self, text: &Arc<Text>, name: &Name, given: Given) -> Run<Value> {
        let budget = &mut self.budget;
        budget.read(text.len())?;
        let every = |holds: fn(char) -> bool| Ok(Value::Bool(text.len() > 0 && text.as_str().chars().all(holds)));
        match &**name {
            "strip" | "lstrip" | "rstrip" => {
                let [chars] = given.under(name, ["chars"])?;
                let stripped = stripped(text, chars.as_ref(), &**name != "rstrip", &**name != "lstrip")?;
                Value::text(stripped, budget)
            }
            "split" | "rsplit" => {
                let [separator, most] = given.under(name, ["sep", "maxsplit"])?;
                split(text, separator, most, &**name == "rsplit", budget)
            }
            "splitlines" => {
                budget.write(size_of::<Text>() * text.as_str().matches(['\n', '\r']).count())?;
                texts(text.lines(), budget)
            }
            "partition" | "rpartition" => {
                let [Some(Value::Str(separator))] = given.under(name, ["sep"])? else {
                    return failed(format!("{name} takes a string"));
                };
                partition(text, &separator, &**name == "rpartition", budget)
            }
            "startswith" | "endswith" => {
                let [affix] = given.under(name, ["prefix"])?;
                let has = |part: &Text| match &**name {
                    "startswith" => text.as_str().starts_with(part.as_str()),
                    _ => text.as_str().ends_with(part.as_str()),
                };
                match affix {
                    Some(Value::Str(part)) => Ok(Value::Bool(has(&part))),
                    Some(Value::List(parts)) => {
                        budget.steps(parts.items.len())?;
                        budget.read(text.len().saturating_mul(parts.items.len()))?;
                        let found = parts.items.iter().any(|part| matches!(part, Value::Str(part) if has(part)));
                        Ok(Value::Bool(found))
                    }
                    _ => failed(format!("{name} takes a string")),
                }
            }
            "removeprefix" | "removesuffix" => {
                let [Some(Value::Str(part))] = given.under(name, ["affix"])? else {
                    return failed(format!("{name} takes a string"));
                };
                let (whole, part) = (text.as_str(), part.as_str());
                let kept = match &**name {
                    "removeprefix" if whole.starts_with(part) => part.len()..whole.len(),
                    "removesuffix" if whole.ends_with(part) => 0..whole.len() - part.len(),
                    _ => 0..whole.len(),
                };
                Value::text(text.slice(kept), budget)
            }
            "lower" | "upper" | "capitalize" | "title" => changed(text, name, budget),
            "replace" => {
                let [old, new, count] = given.under("replace", ["old", "new", "count"])?;
                replaced(text, old, new, count, budget)
            }
            "find" | "rfind" | "index" | "rindex" | "count" => {
                let [Some(Value::Str(part))] = given.under(name, ["sub"])? else {
                    return failed(format!("{name} takes a string"));
                };
                found(text.as_str(), part.as_str(), name)
            }
            "join" => {
                let [Some(items)] = given.under("join", ["items"])? else { return failed("join takes a list") };
                let items = items.items(budget)?;
                let mut out = Text::default();
                for (at, item) in items.items.iter().enumerate() {
                    let Value::Str(item) = item else {
                        return failed(format!("join takes strings, not {}", item.kind()));
                    };
                    budget.write(item.size() + text.size() + 1)?;
                    if at > 0 {
                        out.push(text);
                    }
                    out.push(item);
                }
                Value::counted(out, budget)
            }
            "isdigit" | "isdecimal" | "isnumeric" => every(char::is_numeric),
            "isalpha" => every(char::is_alphabetic),
            "isalnum" => every(char::is_alphanumeric),
            "isspace" => every(is_space),
            "isupper" => Ok(Value::Bool(is_case(text.as_str(), char::is_uppercase, char::is_lowercase))),
            "islower" => Ok(Value::Bool(is_case(text.as_str(), char::is_lowercase, char::is_uppercase))),
            _ => failed(format!("a string has no method {} here", shown(name, 60))),
        }
    }
}

fn changes(what: &str, name: &str) -> Run<Value> {
    failed(format!("{name} changes {what}, which a chat template may not; build a new one with + or a namespace"))
}

pub(crate) fn is_case(text: &str, is: fn(char) -> bool, is_other: fn(char) -> bool) -> bool {
    text.chars().any(is) && !text.chars().any(is_other)
}

/// Without these characters, or without white space, at its ends.
pub(crate) fn stripped(text: &Text, chars: Option<&Value>, start: bool, end: bool) -> Run<Text> {
    match chars {
        None | Some(Value::None | Value::Undefined(_)) => Ok(text.trimmed(start, end, is_space)),
        Some(Value::Str(chars)) => {
            let mut chars: Vec<char> = chars.as_str().chars().collect();
            chars.sort_unstable();
            Ok(text.trimmed(start, end, |letter| chars.binary_search(&letter).is_ok()))
        }
        Some(other) => failed(format!("characters to strip are a string and not {}", other.kind())),
    }
}

fn texts(parts: Vec<Text>, budget: &mut Budget) -> Run<Value> {
    let mut values = Vec::with_capacity(parts.len());
    for part in parts {
        values.push(Value::text(part, budget)?);
    }
    Value::list(values, budget)
}

fn split(
    text: &Text,
    separator: Option<Value>,
    most: Option<Value>,
    from_right: bool,
    budget: &mut Budget,
) -> Run<Value> {
    let most = most.and_then(|most| most.int()).and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    match separator {
        None | Some(Value::None) => {
            let words = text.as_str().split(is_space).filter(|word| !word.is_empty()).count();
            budget.write(size_of::<Text>() * words)?;
            let words = text.words();
            if words.len() > most.saturating_add(1) {
                return failed("split at white space with a limit is not supported here");
            }
            texts(words, budget)
        }
        Some(Value::Str(separator)) if separator.len() > 0 => {
            let separator = separator.as_str();
            budget.read(text.len())?;
            budget.write(size_of::<Text>() * text.as_str().matches(separator).take(most).count())?;
            texts(if from_right { text.rsplit(separator, most) } else { text.split(separator, most) }, budget)
        }
        _ => failed("split takes a string that is not empty"),
    }
}

fn partition(text: &Text, separator: &Text, from_right: bool, budget: &mut Budget) -> Run<Value> {
    let (whole, part) = (text.as_str(), separator.as_str());
    if part.is_empty() {
        return failed("a partition is made at a string that is not empty");
    }
    let at = if from_right { whole.rfind(part) } else { whole.find(part) };
    let empty = Text::default;
    let parts = match at {
        Some(at) => {
            let end = at + part.len();
            vec![text.slice(0..at), text.slice(at..end), text.slice(end..whole.len())]
        }
        None if from_right => vec![empty(), empty(), text.clone()],
        None => vec![text.clone(), empty(), empty()],
    };
    texts(parts, budget)
}

fn found(text: &str, part: &str, name: &str) -> Run<Value> {
    let count = |text: &str| i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let at = match name {
        "count" if part.is_empty() => return Ok(Value::Int(count(text) + 1)),
        "count" => return Ok(Value::Int(i64::try_from(text.matches(part).count()).unwrap_or(i64::MAX))),
        "find" | "index" => text.find(part),
        _ => text.rfind(part),
    };
    match at {
        Some(at) => Ok(Value::Int(count(&text[..at]))),
        None if name.ends_with("index") => failed("the string does not hold that part"),
        None => Ok(Value::Int(-1)),
    }
}

/// In other letters.
pub(crate) fn changed(text: &Text, how: &str, budget: &mut Budget) -> Run<Value> {
    budget.read(text.len())?;
    // No letter becomes longer than three times its bytes.
    budget.write(3 * text.size())?;
    let changed = match how {
        "lower" => text.map_parts(str::to_lowercase),
        "upper" => text.map_parts(str::to_uppercase),
        _ => {
            let (mut out, mut starts) = (Text::default(), true);
            for (letter, people) in text.chars() {
                let mut letters = letter.to_string();
                letters = if starts { letters.to_uppercase() } else { letters.to_lowercase() };
                out.push_part(&letters, people);
                starts = match how {
                    "title" => !letter.is_alphabetic(),
                    "title of words" => is_space(letter) || "-({[<".contains(letter),
                    _ => false,
                };
            }
            out
        }
    };
    Value::counted(changed, budget)
}

pub(crate) fn replaced(
    text: &Text,
    old: Option<Value>,
    new: Option<Value>,
    count: Option<Value>,
    budget: &mut Budget,
) -> Run<Value> {
    let (Some(Value::Str(old)), Some(Value::Str(new))) = (old, new) else { return failed("replace takes two strings") };
    if old.len() == 0 {
        return failed("replace of an empty string is not supported here");
    }
    let most = count.and_then(|count| count.int()).and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    budget.read(text.len())?;
    let places = text.as_str().matches(old.as_str()).take(most).count();
    budget.write(text.size() + places.saturating_mul(new.size() + size_of::<Text>()))?;
    let mut out = Text::default();
    for (at, part) in text.split(old.as_str(), most).iter().enumerate() {
        if at > 0 {
            out.push(&new);
        }
        out.push(part);
    }
    Value::counted(out, budget)
}
