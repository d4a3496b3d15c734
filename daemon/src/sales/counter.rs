//! Where callers and an agent meet: calls that wait for it, and what it says to each. Nothing of ledgers, payments or HTTP.
//!
//! ```text
//!   place ──▶ waiting ──next──▶ taken ──said──▶ whoever placed it ──told──▶ the agent: what came of it
//!                ▲                │
//!                └──begin anew────┘   the agent was killed: what it had taken is given to it again, under the same order
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use datanet_types::{AgentId, Amount, Digest, ReceiptId};
use tokio::sync::{Notify, oneshot};

use crate::error::{Code, ServiceError, ServiceResult};

/// Agents that sell here at a time.
const MOST_AGENTS: usize = 64;
/// Calls that wait for one agent, those that it has taken included.
const MOST_CALLS: usize = 32;
/// For how long an agent is taken to be there after it has asked for calls: twice as long as it may wait for one, and some.
const LEASE: Duration = Duration::from_secs(75);
/// Longest wait of an agent for a call.
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// For how long a call waits to be taken. Its caller's patience then lasts for [`WORK`] yet: whoever fills the line does not have an agent buy what
/// nobody waits for any more.
const QUEUED: Duration = Duration::from_secs(40);
/// What an agent has at least for a call from when it takes it.
pub const WORK: Duration = Duration::from_secs(60);

/// What an agent sells, and for how much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Base units of an answer.
    pub price: Amount,
    /// What it is, in its owner's words.
    pub description: String,
}

/// A question to an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Under which it buys what it needs for the answer.
    pub order: Digest,
    /// The question.
    pub text: String,
    /// Base units that the caller pays for the answer.
    pub price: Amount,
}

/// What an agent says to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The answer, and the receipts of what it bought for it.
    Answer(String, Vec<ReceiptId>),
    /// Why there is none.
    Refused(String),
}

/// What came of an answer: its receipt and fee, or why it was not sold.
pub type Outcome = Result<(ReceiptId, Amount), String>;

/// An answer on its way to the caller, and who is told what came of it.
pub(super) type Delivery = (Said, oneshot::Sender<Outcome>);

struct Placed {
    call: Call,
    caller: oneshot::Sender<Delivery>,
    since: Instant,
    /// Whether an agent was at it already, and may have bought for it.
    begun: bool,
}

struct Agent {
    terms: Terms,
    until: Instant,
    waiting: VecDeque<Placed>,
    taken: BTreeMap<Digest, Placed>,
    called: Arc<Notify>,
}

impl Agent {
    /// Whether it asks for calls, or is at one: it asks for none meanwhile.
    fn is_there(&self, now: Instant) -> bool {
        self.until > now || self.taken.values().any(|placed| !placed.caller.is_closed())
    }

    /// Calls whose callers have left are nobody's, and those that have waited too long are told so.
    fn sweep(&mut self, now: Instant) {
        let in_time = |placed: &Placed| placed.begun || now.saturating_duration_since(placed.since) < QUEUED;
        self.waiting.retain(|placed| !placed.caller.is_closed() && in_time(placed));
        self.taken.retain(|_, placed| !placed.caller.is_closed());
    }
}

/// See the module; clones share it.
#[derive(Clone, Default)]
pub struct Counter(Arc<Mutex<BTreeMap<AgentId, Agent>>>);

impl Counter {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<AgentId, Agent>> {
        // Each entry is whole between any two lines.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agent is there, on these terms; one that begins `anew` is given again what it had taken before.
    ///
    /// # Errors
    /// When as many others sell here as may ([`Code::TooManyRequests`]).
    pub fn offer(&self, id: AgentId, terms: Terms, anew: bool) -> ServiceResult<()> {
        let (mut agents, now) = (self.lock(), Instant::now());
        agents.retain(|known, agent| *known == id || agent.is_there(now));
        if !agents.contains_key(&id) && agents.len() >= MOST_AGENTS {
            let detail = format!("{MOST_AGENTS} agents sell at this node already; sell at another, or end one");
            return Err(ServiceError::new(Code::TooManyRequests, detail));
        }
        let agent = agents.entry(id).or_insert_with(|| Agent {
            terms: terms.clone(),
            until: now,
            waiting: VecDeque::new(),
            taken: BTreeMap::new(),
            called: Arc::default(),
        });
        (agent.terms, agent.until) = (terms, now + LEASE);
        if anew {
            let taken = std::mem::take(&mut agent.taken);
            let again = taken.into_values().map(|placed| Placed { begun: true, ..placed });
            again.rev().for_each(|placed| agent.waiting.push_front(placed));
        }
        agent.sweep(now);
        Ok(())
    }

    /// What an agent that is there sells.
    pub fn terms(&self, id: &AgentId) -> Option<Terms> {
        let agents = self.lock();
        agents.get(id).filter(|agent| agent.is_there(Instant::now())).map(|agent| agent.terms.clone())
    }

    /// All that sell here now.
    pub fn all(&self) -> Vec<(AgentId, Terms)> {
        let (agents, now) = (self.lock(), Instant::now());
        agents.iter().filter(|(_, agent)| agent.is_there(now)).map(|(id, agent)| (*id, agent.terms.clone())).collect()
    }

    /// Places a call: what the agent says to it comes out of the receiver, or nothing if another is placed under the same order.
    ///
    /// # Errors
    /// When the agent is not there ([`Code::NotSold`]), or too many calls wait for it ([`Code::TooManyRequests`]).
    pub fn place(&self, id: &AgentId, call: Call) -> ServiceResult<oneshot::Receiver<Delivery>> {
        let (mut agents, since) = (self.lock(), Instant::now());
        let Some(agent) = agents.get_mut(id).filter(|agent| agent.is_there(since)) else {
            return Err(not_here(id));
        };
        agent.sweep(since);
        // Whoever asked under it before has lost its answer: the payment is the same.
        agent.waiting.retain(|placed| placed.call.order != call.order);
        let (caller, answer) = oneshot::channel();
        if let Some(taken) = agent.taken.get_mut(&call.order) {
            taken.caller = caller;
            return Ok(answer);
        }
        if agent.waiting.len().saturating_add(agent.taken.len()) >= MOST_CALLS {
            let detail = format!("{MOST_CALLS} calls wait for agent {id}; ask again in a moment");
            return Err(ServiceError::new(Code::TooManyRequests, detail).again_in(5));
        }
        agent.waiting.push_back(Placed { call, caller, since, begun: false });
        agent.called.notify_one();
        Ok(answer)
    }

    /// The next call for an agent, waiting so long for one.
    pub async fn next(&self, id: &AgentId, wait: Duration) -> Option<Call> {
        let deadline = tokio::time::Instant::now() + wait.min(LONGEST_WAIT);
        loop {
            let called = {
                let mut agents = self.lock();
                let agent = agents.get_mut(id)?;
                agent.sweep(Instant::now());
                if let Some(placed) = agent.waiting.pop_front() {
                    let call = placed.call.clone();
                    agent.taken.insert(call.order, placed);
                    return Some(call);
                }
                agent.called.clone()
            };
            // A call that comes in between has left its notice.
            tokio::time::timeout_at(deadline, called.notified()).await.ok()?;
        }
    }

    /// What the agent says to the call that it took under `order`: what comes of it comes out of the receiver. Nothing where nobody waits for it.
    pub fn said(&self, id: &AgentId, order: &Digest, said: Said) -> Option<oneshot::Receiver<Outcome>> {
        let placed = {
            let mut agents = self.lock();
            let agent = agents.get_mut(id)?;
            // It is there, and asks for the next once it knows what came of this one.
            agent.until = agent.until.max(Instant::now() + LEASE);
            agent.taken.remove(order)?
        };
        let (teller, told) = oneshot::channel();
        placed.caller.send((said, teller)).ok()?;
        Some(told)
    }
}

/// The agent sells nothing here now.
pub(super) fn not_here(id: &AgentId) -> ServiceError {
    let detail = format!(
        "agent {id} sells nothing at this node now; GET /v1/services tells who does, and `datanet agent run` begins to sell"
    );
    ServiceError::new(Code::NotSold, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: AgentId = AgentId([1; 32]);

    fn call(n: u8) -> Call {
        Call { order: Digest([n; 32]), text: format!("question {n}"), price: 5 }
    }

    fn open() -> Counter {
        let counter = Counter::default();
        counter.offer(ID, Terms { price: 5, description: "owls".into() }, true).unwrap();
        counter
    }

    async fn taken(counter: &Counter) -> Option<Call> {
        counter.next(&ID, Duration::ZERO).await
    }

    #[tokio::test]
    async fn a_call_is_taken_answered_and_told_of() {
        let counter = open();
        assert_eq!(counter.place(&AgentId([9; 32]), call(1)).unwrap_err().code, Code::NotSold);
        let mut answer = counter.place(&ID, call(1)).unwrap();
        assert_eq!(taken(&counter).await, Some(call(1)));
        assert_eq!(taken(&counter).await, None);
        let said = Said::Answer("an owl".into(), vec![]);
        assert!(counter.said(&ID, &Digest([2; 32]), said.clone()).is_none(), "nobody asked that");
        let told = counter.said(&ID, &call(1).order, said.clone()).unwrap();
        assert!(counter.said(&ID, &call(1).order, said.clone()).is_none(), "once");
        let (heard, teller) = answer.try_recv().unwrap();
        assert_eq!(heard, said);
        teller.send(Err("too dear".into())).unwrap();
        assert_eq!(told.await.unwrap(), Err("too dear".into()));
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_and_an_agent_that_was_killed_is_given_its_calls_again() {
        let counter = open();
        let waiting = tokio::spawn({
            let counter = counter.clone();
            async move { counter.next(&ID, LONGEST_WAIT).await }
        });
        tokio::task::yield_now().await;
        let _one = counter.place(&ID, call(1)).unwrap();
        assert_eq!(waiting.await.unwrap(), Some(call(1)));
        let two = counter.place(&ID, call(2)).unwrap();
        assert_eq!(taken(&counter).await, Some(call(2)));
        drop(two);
        let terms = counter.terms(&ID).unwrap();
        counter.offer(ID, terms.clone(), false).unwrap();
        assert_eq!(taken(&counter).await, None, "it has what it took");
        counter.offer(ID, terms, true).unwrap();
        assert_eq!(taken(&counter).await, Some(call(1)));
        assert_eq!(taken(&counter).await, None, "nobody waits for the other any more");
    }

    /// As if so much time had passed.
    fn pass(counter: &Counter, time: Duration) {
        let back = |then: &mut Instant| *then = then.checked_sub(time).unwrap();
        for agent in counter.lock().values_mut() {
            back(&mut agent.until);
            agent.waiting.iter_mut().chain(agent.taken.values_mut()).for_each(|placed| back(&mut placed.since));
        }
    }

    #[tokio::test]
    async fn an_agent_that_is_long_at_a_call_is_there_and_keeps_it() {
        let counter = open();
        let mut answer = counter.place(&ID, call(1)).unwrap();
        assert_eq!(taken(&counter).await, Some(call(1)));
        pass(&counter, LEASE + Duration::from_secs(10));
        assert!(counter.terms(&ID).is_some() && counter.all().len() == 1, "it is at a call, and asks for none");
        let _next = counter.place(&ID, call(2)).unwrap();
        let other = Terms { price: 5, description: String::new() };
        counter.offer(AgentId([2; 32]), other, true).unwrap();
        let said = Said::Answer("an owl".into(), vec![]);
        assert!(counter.said(&ID, &call(1).order, said.clone()).is_some(), "others that come do not take it away");
        assert_eq!(answer.try_recv().unwrap().0, said);
        let _after = counter.place(&ID, call(3)).unwrap();
        pass(&counter, LEASE + Duration::from_secs(10));
        assert_eq!(counter.place(&ID, call(4)).unwrap_err().code, Code::NotSold, "it has not asked again");
    }

    #[tokio::test]
    async fn no_call_is_taken_whose_caller_has_little_patience_left() {
        let counter = open();
        let mut old = counter.place(&ID, call(1)).unwrap();
        pass(&counter, QUEUED);
        let mut new = counter.place(&ID, call(2)).unwrap();
        assert_eq!(taken(&counter).await, Some(call(2)));
        assert!(matches!(old.try_recv(), Err(oneshot::error::TryRecvError::Closed)), "it is told at once");
        // What an agent was at before it was killed it is given all the same: it has bought for it.
        pass(&counter, QUEUED);
        let terms = Terms { price: 5, description: "owls".into() };
        counter.offer(ID, terms, true).unwrap();
        assert_eq!(taken(&counter).await, Some(call(2)));
        assert!(matches!(new.try_recv(), Err(oneshot::error::TryRecvError::Empty)));
    }

    #[tokio::test]
    async fn asked_again_under_the_same_order_there_is_one_call() {
        let counter = open();
        let _left = counter.place(&ID, call(1)).unwrap();
        let mut second = counter.place(&ID, call(1)).unwrap();
        assert_eq!(taken(&counter).await, Some(call(1)));
        assert_eq!(taken(&counter).await, None);
        let mut third = counter.place(&ID, call(1)).unwrap();
        assert!(second.try_recv().is_err(), "the third has taken its place");
        assert_eq!(taken(&counter).await, None, "the agent is at it");
        counter.said(&ID, &call(1).order, Said::Refused("no".into())).unwrap();
        assert_eq!(third.try_recv().unwrap().0, Said::Refused("no".into()));
    }

    #[tokio::test]
    async fn calls_and_agents_are_bounded_and_who_leaves_makes_room() {
        let counter = open();
        let mut waiting: Vec<_> = (0..MOST_CALLS).map(|n| counter.place(&ID, call(n as u8)).unwrap()).collect();
        assert_eq!(counter.place(&ID, call(99)).unwrap_err().code, Code::TooManyRequests);
        waiting.pop();
        let _room = counter.place(&ID, call(99)).unwrap();
        for n in 1..MOST_AGENTS {
            let id = AgentId([n as u8 + 1; 32]);
            counter.offer(id, Terms { price: 5, description: String::new() }, true).unwrap();
        }
        let one_more = counter.offer(AgentId([200; 32]), Terms { price: 5, description: String::new() }, true);
        assert_eq!(one_more.unwrap_err().code, Code::TooManyRequests);
        assert_eq!(counter.all().len(), MOST_AGENTS);
    }
}
