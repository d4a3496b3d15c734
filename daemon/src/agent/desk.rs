//! Where an agent sits: its purse, its hands, the node, and whoever may ask it to stop.

use std::time::Duration;

use anyhow::Result;
use tokio_util::sync::CancellationToken;

use super::Told;
use super::hands::{Act, Hands, Try};
use super::journal::{Ended, Observed, Outcome};
use super::node::Node;
use super::purse::{Intention, Plan, Purse};

/// The first wait before something is tried again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct Desk {
    /// What it may spend, and what it did.
    pub purse: Purse,
    /// What acts.
    pub hands: Hands,
    /// The node.
    pub node: Node,
    /// Cancelled when it is asked to stop.
    pub stop: CancellationToken,
    /// Who is told how it goes.
    pub told: Told,
}

/// What became of a plan.
#[derive(Debug)]
pub enum Became {
    /// It ended.
    Ended(Ended),
    /// It goes on without us: the chain has it.
    UnderWay,
    /// The agent was asked to stop, or may not spend so much: nothing is known of it yet, or nothing was done.
    Not(String),
}

impl Desk {
    /// Intends and does what is planned.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn carry_out(&mut self, plan: Plan) -> Result<Became> {
        match self.purse.intend(plan)? {
            Ok(intention) => self.act(&intention, false).await,
            Err(why) => Ok(Became::Not(why)),
        }
    }

    /// Does what was intended, again and again where the node does not answer, until it is done or the agent is asked to stop.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn act(&mut self, intention: &Intention, repeated: bool) -> Result<Became> {
        let (mut wait, mut number, mut repeated) = (FIRST_WAIT, 0u32, repeated);
        loop {
            let tried = Try { intention, repeated, number, stop: &self.stop };
            match self.hands.act(&self.node, tried).await {
                Act::Done(done) => {
                    let ended = self.purse.end(intention, done)?;
                    self.tell(intention, &ended);
                    return Ok(Became::Ended(ended));
                }
                Act::UnderWay => return Ok(Became::UnderWay),
                Act::NotNow { why, doubtful } => {
                    repeated |= doubtful;
                    self.told.say(&format!("{why}; tried again in a moment, under the same name"));
                }
            }
            number = number.saturating_add(1);
            tokio::select! {
                () = self.stop.cancelled() => return Ok(Became::Not("it was asked to stop".to_owned())),
                () = tokio::time::sleep(wait) => wait = wait.saturating_mul(2).min(LONGEST_WAIT),
            }
        }
    }

    /// Takes up what an earlier process intended and did not end.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn take_up(&mut self) -> Result<()> {
        for intention in self.purse.unfinished() {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            self.told.say(&format!("taking up decision {}: {}", intention.id, intention.observed.what));
            self.act(&intention, true).await?;
        }
        Ok(())
    }

    /// Writes down that nothing is done.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn pass(&mut self, subject: &str, observed: Observed, why: &str) -> Result<()> {
        self.told.say(&format!("passed on {}: {why}", observed.what));
        self.purse.pass(subject, observed, why)
    }

    fn tell(&self, intention: &Intention, ended: &Ended) {
        let how = match ended.outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
        };
        let cost = datanet_types::amount::display(ended.captured);
        let why = ended.detail["why"].as_str().map(|why| format!(": {why}")).unwrap_or_default();
        self.told.say(&format!("{how}, for {cost}: {}{why}", intention.observed.what));
    }
}
