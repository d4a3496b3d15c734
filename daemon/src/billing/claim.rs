//! Claiming: an account is paid by each node what that node owes it, and none can keep the others from paying.

use std::time::Duration;

use datanet_ledger::component::{params, settlement};
use datanet_types::action::Claim;
use datanet_types::merkle::MerkleProof;
use datanet_types::{Action, Address, Amount, NodeKey, SigningKey, TxHash};
use futures::{StreamExt, stream};
use tokio::time::{Instant, timeout};

use super::Billing;
use super::sources::{self, IN_ALL, Source};
use super::statements::SIDE_BY_SIDE;
use crate::error::{Code, ServiceError, ServiceResult};

/// How long a claim's block is waited for.
const BLOCK: Duration = Duration::from_secs(30);

/// What came of a claim. Nodes that owe the account nothing are not named.
#[derive(Debug, Clone, Default)]
pub struct Claims {
    /// Who paid.
    pub claims: Vec<Claimed>,
    /// Base units paid in all.
    pub total: Amount,
    /// Nodes that may owe something and did not pay now, each with the reason.
    pub failed: Vec<NotClaimed>,
}

/// A claim paid.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The serving node.
    pub node: NodeKey,
    /// Base units paid.
    pub amount: Amount,
    /// The transaction.
    pub tx: TxHash,
}

/// A node that did not pay.
#[derive(Debug, Clone)]
pub struct NotClaimed {
    /// The serving node.
    pub node: NodeKey,
    /// Why not, and what to do.
    pub reason: String,
}

/// An account's leaf in a node's latest epoch.
struct Due {
    claim: Claim,
    amount: Amount,
}

impl Billing {
    /// Pays `account` what every serving node owes it. The fee is paid by the account's own key if it is here, else by the
    /// node's.
    ///
    /// # Errors
    /// When neither the account nor the node has a key here ([`Code::UnknownKey`]), or the ledger has no block yet or
    /// cannot be read. A node that does not pay is no error: [`Claims::failed`] says why.
    pub async fn claim(&self, account: &Address) -> ServiceResult<Claims> {
        let payer = match self.keyring.by_address(account) {
            Some(key) => key,
            None => self.identity.account_key()?,
        };
        let deadline = Instant::now() + IN_ALL;
        let mut sources = self.sources().await?;
        // Where nothing lies, nothing can be paid.
        sources.retain(|source| source.pool > 0);
        let (here, elsewhere) = sources.into_iter().partition(|source| source.here);
        let mut claims = Claims::default();
        // What is here is paid before anybody is waited for.
        for sources in [here, elsewhere] {
            self.claim_from(sources, deadline, account, &payer, &mut claims).await?;
        }
        Ok(claims)
    }

    async fn claim_from(
        &self,
        sources: Vec<Source>,
        deadline: Instant,
        account: &Address,
        payer: &SigningKey,
        claims: &mut Claims,
    ) -> ServiceResult<()> {
        let (statements, of) = (self.statements.clone(), *account);
        let prove = move |epoch| {
            let statements = statements.clone();
            async move {
                let statement = statements.read(&epoch).await?;
                // Hashing all leaves of a large one takes a moment.
                Ok(tokio::task::spawn_blocking(move || statement.prove(&of)).await.unwrap_or_default())
            }
        };
        let asked = sources::ask(sources, deadline, prove).await;
        claims.failed.extend(asked.failed.into_iter().map(|((node, _), reason)| NotClaimed { node, reason }));
        let mut due = Vec::new();
        for (source, leaf) in asked.good {
            match self.due(&source, account, leaf)? {
                Ok(found) => due.extend(found),
                Err(reason) => claims.failed.push(NotClaimed { node: source.epoch.node, reason }),
            }
        }
        let send = |due: Due| {
            let (billing, payer) = (self.clone(), payer.clone());
            async move { (due.claim.node, due.amount, billing.send_claim(&payer, due.claim).await) }
        };
        let mut sent = std::pin::pin!(stream::iter(due).map(send).buffer_unordered(SIDE_BY_SIDE));
        while let Some((node, amount, result)) = sent.next().await {
            match result {
                Ok(tx) => {
                    claims.total = claims.total.saturating_add(amount);
                    claims.claims.push(Claimed { node, amount, tx });
                }
                Err(error) => claims.failed.push(NotClaimed { node, reason: error.detail }),
            }
        }
        Ok(())
    }

    /// What a leaf is worth now; the inner error says why it is better not claimed.
    fn due(
        &self,
        source: &Source,
        account: &Address,
        leaf: Option<(Amount, MerkleProof)>,
    ) -> ServiceResult<Result<Option<Due>, String>> {
        let (reader, node) = (self.chain.reader()?, source.epoch.node);
        let claimed = settlement::claimed(&reader, &node, account)?;
        let (cumulative, proof) = match leaf {
            Some(leaf) if leaf.0 > claimed => leaf,
            _ => return Ok(Ok(None)),
        };
        let (amount, fee) = (cumulative.saturating_sub(claimed), params::get(&reader)?.min_fee);
        // Each refused transaction costs a fee, and so does each that pays less than that.
        if amount > source.pool {
            return Ok(Err(format!(
                "it promised {amount} and holds {}: it promised more than it settled, so nothing can be claimed",
                source.pool
            )));
        }
        if amount <= fee {
            return Ok(Err(format!("it owes {amount}, and claiming costs a fee of {fee}; claim once it owes more")));
        }
        Ok(Ok(Some(Due { claim: Claim { node, account: *account, cumulative, proof }, amount })))
    }

    async fn send_claim(&self, payer: &SigningKey, claim: Claim) -> ServiceResult<TxHash> {
        let sent = timeout(BLOCK, self.chain.execute(payer, Action::Claim(claim))).await;
        let late = |_| {
            let detail = format!("its transaction was in no block within {} s; look again later", BLOCK.as_secs());
            ServiceError::new(Code::TransactionExpired, detail)
        };
        Ok(sent.map_err(late)??.hash)
    }
}
