//! Tests: what stands after `is`.

use crate::ast::Comparison;
use crate::fault::{Run, failed, shown};
use crate::machine::{Given, Machine};
use crate::methods::is_case;
use crate::ops::compare;
use crate::value::Value;

impl Machine<'_> {
    pub(crate) fn test(&mut self, name: &str, value: &Value, given: Given) -> Run<bool> {
        let comparison = match name {
            "eq" | "equalto" | "sameas" => Some(Comparison::Equal),
            "ne" => Some(Comparison::NotEqual),
            "lt" | "lessthan" => Some(Comparison::Less),
            "le" => Some(Comparison::LessOrEqual),
            "gt" | "greaterthan" => Some(Comparison::Greater),
            "ge" => Some(Comparison::GreaterOrEqual),
            "in" => Some(Comparison::In),
            _ => None,
        };
        if let Some(comparison) = comparison {
            let [Some(other)] = given.under(name, ["other"])? else { return failed(format!("{name} takes a value")) };
            return compare(value, comparison, &other, &mut self.budget);
        }
        if name == "divisibleby" {
            let [divisor] = given.under(name, ["num"])?;
            let divisor = divisor.and_then(|divisor| divisor.int()).filter(|divisor| *divisor != 0);
            return match (value.int(), divisor) {
                (Some(number), Some(divisor)) => Ok(number.checked_rem(divisor).unwrap_or(0) == 0),
                _ => failed("divisibleby takes an integer that is not 0"),
            };
        }
        let [] = given.under(name, [])?;
        Ok(match (name, value) {
            ("defined", value) => !matches!(value, Value::Undefined(_)),
            ("undefined", value) => matches!(value, Value::Undefined(_)),
            ("none", value) => matches!(value, Value::None),
            ("boolean", value) => matches!(value, Value::Bool(_)),
            ("true", value) => matches!(value, Value::Bool(true)),
            ("false", value) => matches!(value, Value::Bool(false)),
            ("string", value) => matches!(value, Value::Str(_)),
            ("mapping", value) => matches!(value, Value::Dict(_)),
            ("iterable" | "sequence", Value::Undefined(_)) => true,
            ("iterable" | "sequence", value) => matches!(value, Value::Str(_) | Value::List(_) | Value::Dict(_)),
            ("integer", value) => matches!(value, Value::Int(_)),
            ("float", value) => matches!(value, Value::Float(_)),
            ("number", value) => value.float().is_some(),
            ("callable", value) => matches!(value, Value::Macro(_) | Value::Function(_)),
            ("odd" | "even", value) => match value.int() {
                Some(number) => (number % 2 == 0) == (name == "even"),
                None => return failed(format!("{} is no integer", value.kind())),
            },
            ("lower" | "upper", value) => {
                let text = value.to_text(&mut self.budget)?;
                self.budget.read(text.len())?;
                match name {
                    "lower" => is_case(text.as_str(), char::is_lowercase, char::is_uppercase),
                    _ => is_case(text.as_str(), char::is_uppercase, char::is_lowercase),
                }
            }
            _ => return failed(format!("the test {} is not known here", shown(name, 60))),
        })
    }
}
