//! How much memory the process takes.

/// Bytes of the process that lie in memory now; 0 where the system does not say.
pub fn resident() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{CurvatureRows, Job, Method, Task};
    use crate::recipe::Recipe;
    use crate::run::{Control, Setup, train};
    use crate::testing::{base, runtime, session, topics};

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_takes_some_memory() {
        assert!(resident() > 1 << 20);
    }

    #[test]
    #[ignore = "a minute, and it tells of a process that does nothing else"]
    fn what_runs_one_after_another_leave_behind() {
        let mut job = Job::new("minilm-l6", Task::Classify);
        (job.lora.rank, job.lora.layers, job.max_tokens) = (4, Some(vec![4, 5]), 48);
        job.recipe = Recipe { epochs: 1, batch: 32, ..Recipe::default() };
        (job.attribution.method, job.attribution.curvature) = (Method::Influence, CurvatureRows::TrueLabel);
        let (data, base) = (topics(288, 60, true), base());
        let mut after = Vec::new();
        for _ in 0..8 {
            let folder = tempfile::tempdir().unwrap();
            let (runtime, session, folder) = (runtime(), session(), folder.path());
            let (snapshot, memory) = ("root", None);
            let setup = Setup { job: &job, data: &data, snapshot, memory, base: &base, runtime, session, folder };
            train(&setup, &mut |_| Control::Continue).unwrap();
            after.push(resident() >> 20);
        }
        println!("MiB resident after each run: {after:?}");
    }
}
