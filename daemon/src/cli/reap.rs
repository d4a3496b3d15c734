//! Process 1 of a container becomes the parent of every process there whose own parent has ended, such as those of a
//! health check that was killed. Nobody else collects them when they end, and they would fill the table of processes.
//!
//! What this program starts itself is collected by whoever started it, within moments. So what has ended and is still
//! there at the second look is an orphan.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// How often it is looked: orphans cost little and are few.
const LOOK: Duration = Duration::from_secs(5);

/// Collects orphans as long as the program runs, if it is process 1.
pub(super) fn orphans_of_process_one() {
    if std::process::id() == 1 {
        tokio::spawn(async {
            let mut seen = BTreeSet::new();
            loop {
                tokio::time::sleep(LOOK).await;
                let ended = ended_children();
                for orphan in ended.intersection(&seen) {
                    let _ = waitpid(Pid::from_raw(*orphan), Some(WaitPidFlag::WNOHANG));
                }
                seen = ended;
            }
        });
    }
}

/// Children of process 1 that have ended and that nobody has collected.
fn ended_children() -> BTreeSet<i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = entries.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        is_ended_child(&stat, 1).then_some(pid)
    });
    stats.collect()
}

/// Reads `PID (NAME) STATE PARENT …`. A name may hold blanks and brackets.
fn is_ended_child(stat: &str, parent: i32) -> bool {
    let Some((_, rest)) = stat.rsplit_once(") ") else { return false };
    let mut fields = rest.split(' ');
    fields.next() == Some("Z") && fields.next().and_then(|field| field.parse().ok()) == Some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ended_child_is_told_from_one_that_runs_and_from_others() {
        assert!(is_ended_child("17 (sleep) Z 1 17 1 0", 1));
        assert!(is_ended_child("17 (a) Z 2 (b) Z 1 17 1 0", 1));
        for other in ["17 (sleep) S 1 17", "17 (sleep) Z 9 17", "17 (Z 1) S 2", "", "17 (sleep)"] {
            assert!(!is_ended_child(other, 1), "{other}");
        }
    }
}
