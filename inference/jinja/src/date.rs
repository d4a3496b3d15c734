//! The date that templates are told.
//!
//! A prompt must not depend on when or where it is written: the same conversation has the same prompt on every node, and
//! is tested against it. So it is always the same day, the one that the templates of Llama 3 name where they are told none.

use crate::fault::{Run, failed};

/// Friday, 26 July 2024, midnight.
pub(crate) fn strftime(format: &str) -> Run<String> {
    let (mut text, mut letters) = (String::new(), format.chars());
    while let Some(letter) = letters.next() {
        if letter != '%' {
            text.push(letter);
            continue;
        }
        let directive = letters.next();
        let (directive, padded) = match directive {
            Some('-') => (letters.next(), false),
            other => (other, true),
        };
        text.push_str(match directive {
            Some('Y') => "2024",
            Some('y') => "24",
            Some('m') if padded => "07",
            Some('m') => "7",
            Some('d' | 'e') => "26",
            Some('B') => "July",
            Some('b' | 'h') => "Jul",
            Some('A') => "Friday",
            Some('a') => "Fri",
            Some('j') => "208",
            Some('u' | 'w') => "5",
            Some('H' | 'M' | 'S') if padded => "00",
            Some('H' | 'M' | 'S') => "0",
            Some('I') => "12",
            Some('p') => "AM",
            Some('F') => "2024-07-26",
            Some('D' | 'x') => "07/26/24",
            Some('T' | 'X') => "00:00:00",
            Some('c') => "Fri Jul 26 00:00:00 2024",
            Some('Z' | 'z') => "",
            Some('%') => "%",
            other => {
                let name = other.map_or_else(String::new, String::from);
                return failed(format!("strftime_now does not know %{name}"));
            }
        });
    }
    Ok(text)
}
