//! How much memory the process takes, and how much there is.

/// Bytes of the process that lie in memory now; 0 where the system does not say.
pub fn resident() -> u64 {
    entry("/proc/self/status", "VmRSS:")
}

/// Bytes that the machine could still give; 0 where the system does not say.
pub(super) fn available() -> u64 {
    entry("/proc/meminfo", "MemAvailable:")
}

/// The kilobytes that a file of the system says under this name, in bytes.
fn entry(path: &str, name: &str) -> u64 {
    let Ok(text) = std::fs::read_to_string(path) else { return 0 };
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_some_memory() {
        assert!(resident() > 1 << 20 && available() > 1 << 20);
    }
}
