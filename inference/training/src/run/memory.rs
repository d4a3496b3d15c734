//! How much memory the process takes, and how much there is.

use std::path::Path;

/// Bytes of the process that lie in memory now; 0 where the system does not say.
pub fn resident() -> u64 {
    entry("/proc/self/status", "VmRSS:")
}

/// Bytes that the machine could still give, or the control group of the process where that has less left; 0 where the system
/// does not say.
pub(super) fn available() -> u64 {
    let machine = entry("/proc/meminfo", "MemAvailable:");
    group().map_or(machine, |left| machine.min(left))
}

/// What the control group has left, where it is bounded: the machine does not count what a container or a unit may take.
fn group() -> Option<u64> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let folder = Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/'));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    left(&read("memory.max")?, &read("memory.current")?, &read("memory.stat")?)
}

/// What is left of `max` by the files of a control group, which gives up cached files first; none without a bound.
fn left(max: &str, current: &str, stat: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let cached = stat.lines().find_map(|line| number(line.strip_prefix("inactive_file ")?)).unwrap_or(0);
    let held = number(current)?.saturating_sub(cached);
    Some(number(max)?.saturating_sub(held))
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

    #[test]
    fn a_group_has_left_what_its_bound_leaves_beside_all_but_cached_files() {
        let stat = "anon 2000\nactive_file 7\ninactive_file 1000\n";
        assert_eq!(left("4096\n", "3000\n", stat), Some(2_096));
        assert_eq!((left("max\n", "3000\n", stat), left("10\n", "20\n", "")), (None, Some(0)));
    }
}
