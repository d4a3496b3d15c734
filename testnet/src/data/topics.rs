//! Six topics out of the categories that crates give themselves.

/// The labels of the demo's records, in the order used for tables.
pub const TOPICS: [&str; 6] =
    ["network-async", "cryptography", "data-algorithms", "parsing-text", "system", "dev-tools"];

/// The topic of a category's first part (`development-tools` of `development-tools::testing`).
fn topic_of_category(category: &str) -> Option<usize> {
    let topic = match category.split("::").next().unwrap_or_default() {
        "asynchronous" | "network-programming" | "web-programming" | "concurrency" => 0,
        "cryptography" | "authentication" => 1,
        "data-structures"
        | "algorithms"
        | "memory-management"
        | "caching"
        | "mathematics"
        | "science"
        | "database-implementations"
        | "database" => 2,
        "encoding"
        | "parser-implementations"
        | "parsing"
        | "text-processing"
        | "internationalization"
        | "localization"
        | "value-formatting"
        | "date-and-time"
        | "compression"
        | "template-engine" => 3,
        "os" | "external-ffi-bindings" | "api-bindings" | "hardware-support" | "filesystem" | "embedded" => 4,
        "development-tools" | "rust-patterns" | "command-line-interface" | "config" => 5,
        _ => return None,
    };
    Some(topic)
}

/// The topic of a crate's `categories` as an index into [`TOPICS`]. Earlier categories count a little more; the two
/// that say little about the subject (`embedded`, `rust-patterns`) count a third. A crate that names two topics about
/// equally (TLS is networking and cryptography) has none: its passages would be right under either label.
pub(super) fn topic_of(categories: &[String]) -> Option<usize> {
    let mut votes = [0_i32; TOPICS.len()];
    for (place, category) in categories.iter().enumerate() {
        let Some(topic) = topic_of_category(category) else { continue };
        let weak = category.starts_with("embedded") || category.starts_with("rust-patterns");
        votes[topic] += 10 + (5 - place.min(5) as i32) - if weak { 7 } else { 0 };
    }
    let best = (0..TOPICS.len()).max_by_key(|topic| votes[*topic])?;
    let second = (0..TOPICS.len()).filter(|topic| *topic != best).map(|topic| votes[topic]).max()?;
    (votes[best] > 0 && second * 4 < votes[best] * 3).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(categories: &[&str]) -> Option<&'static str> {
        let owned: Vec<String> = categories.iter().map(|c| (*c).to_owned()).collect();
        topic_of(&owned).map(|t| TOPICS[t])
    }

    #[test]
    fn the_subject_outweighs_the_platform() {
        assert_eq!(topic(&["embedded", "cryptography", "no-std"]), Some("cryptography"));
        assert_eq!(topic(&["rust-patterns", "asynchronous"]), Some("network-async"));
        assert_eq!(topic(&["development-tools::testing"]), Some("dev-tools"));
    }

    #[test]
    fn a_crate_between_two_topics_has_none() {
        assert_eq!(topic(&["network-programming", "cryptography"]), None);
        assert_eq!(topic(&["network-programming", "cryptography", "asynchronous"]), Some("network-async"));
    }

    #[test]
    fn a_crate_that_says_nothing_has_no_topic() {
        assert_eq!(topic(&[]), None);
        assert_eq!(topic(&["no-std", "games"]), None);
    }
}
