//! Work that outlasts a request, for clients that poll: by `rmcp`'s task manager, within bounds, and each task for whoever
//! began it.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rmcp::ErrorData;
use rmcp::model::{CreateTaskResult, DetailedTask};
use rmcp::task_manager::{TaskContext, TaskFuture, TaskManager, TaskOptions};

use super::call::Call;

/// How long a task may take, and how long its end can be read after that.
const KEPT: Duration = Duration::from_secs(24 * 3600);
/// How often its state may be asked for.
const POLL: Duration = Duration::from_secs(2);
/// Most tasks that run at once.
const MOST_RUNNING: usize = 64;
/// Most that are known at once, ended ones included.
const MOST: usize = 4_096;

/// All tasks.
#[derive(Default)]
pub(super) struct Tasks {
    manager: TaskManager,
    owners: Mutex<VecDeque<Owned>>,
}

struct Owned {
    since: Instant,
    task: String,
    principal: [u8; 32],
}

impl Tasks {
    /// Goes on with `work` as a task of the caller. Nothing if there are too many.
    pub(super) fn begin(
        &self,
        call: &Call,
        says: &str,
        work: impl FnOnce(TaskContext) -> TaskFuture,
    ) -> Option<CreateTaskResult> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        while owners.front().is_some_and(|oldest| oldest.since.elapsed() > KEPT * 2) {
            owners.pop_front();
        }
        if owners.len() >= MOST || self.manager.running_task_count() >= MOST_RUNNING {
            return None;
        }
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let options =
            TaskOptions::new().with_ttl_ms(millis(KEPT)).with_poll_interval_ms(millis(POLL)).with_status_message(says);
        let task = self.manager.spawn(options, work);
        owners.push_back(Owned {
            since: Instant::now(),
            task: task.task_id.clone(),
            principal: call.caller.principal(),
        });
        Some(CreateTaskResult::new(task))
    }

    /// How a task of `principal` is.
    ///
    /// # Errors
    /// When it has none of this id.
    pub(super) fn get(&self, task: &str, principal: [u8; 32]) -> Result<DetailedTask, ErrorData> {
        self.own(task, principal)?;
        self.manager.get_task(task)
    }

    /// Asks a task of `principal` to end.
    ///
    /// # Errors
    /// When it has none of this id.
    pub(super) fn cancel(&self, task: &str, principal: [u8; 32]) -> Result<(), ErrorData> {
        self.own(task, principal)?;
        self.manager.cancel_task(task)
    }

    /// # Errors
    /// The same whether there is no such task or it is another's.
    pub(super) fn own(&self, task: &str, principal: [u8; 32]) -> Result<(), ErrorData> {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let owned = owners.iter().any(|owned| owned.task == task && owned.principal == principal);
        owned.then_some(()).ok_or_else(|| ErrorData::invalid_params("there is no task of this id", None))
    }
}
