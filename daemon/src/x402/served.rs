//! What this node answers with: what is sold of it ([`super::discovery`]), and what its card says that it can ([`crate::a2a`]).

use datanet_ledger::component::{agents, datanets};
use datanet_types::release::Task;

use super::X402;
use crate::billing::price::Price;
use crate::billing::terms::terms;
use crate::caller;
use crate::error::ServiceResult;
use crate::quoted::{LINE, clean};
use crate::sales::Sales;

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Passages of a datanet, or the labels of those that are nearest.
    Datanet,
    /// A model that gives labels.
    Classifier,
    /// A model that writes.
    Decoder,
    /// An agent that sells what it makes of others' answers.
    Agent,
}

/// Something that answers here, and what an answer costs.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) what: What,
    /// A datanet's, an agent's, or a model's, in hex.
    pub(crate) id: String,
    /// What its owner calls it.
    pub(crate) name: String,
    /// What the owner of a datanet or an agent says of it.
    pub(crate) description: String,
    pub(crate) price: Price,
}

impl X402 {
    /// All that answers and is given out to whoever asks, datanets first, of which `most` are looked at.
    pub(crate) fn served(&self, most: usize) -> ServiceResult<Vec<Served>> {
        let reader = self.chain.reader()?;
        let shown = |datanet: &datanets::Datanet| !caller::is_denied(&datanet.id.0);
        let datanet = |one: datanets::Datanet| Served {
            what: What::Datanet,
            id: one.id.to_string(),
            name: one.name,
            description: one.description,
            price: one.price.into(),
        };
        let mut all: Vec<Served> =
            datanets::list(&reader, None, most)?.into_iter().filter(shown).map(datanet).collect();
        for deployment in self.models.deployments()? {
            let id = deployment.model.to_hex();
            let found = [(Task::Classify, What::Classifier), (Task::Generate, What::Decoder)]
                .into_iter()
                .find_map(|(task, what)| Some((self.models.served_model(&id, task).ok()?, what)));
            // It does neither, or is not loaded now.
            let Some((served, what)) = found else { continue };
            if caller::is_denied(&served.model.id.0) {
                continue;
            }
            let terms = terms(&reader, &served.model)?;
            let price = match what {
                // As long as it writes where nobody asks for a number of tokens.
                What::Decoder => self.billing.text_price(&terms, served.most_tokens(0)),
                What::Datanet | What::Classifier | What::Agent => terms.price.into(),
            };
            all.push(Served { what, id, name: served.model.name.clone(), description: String::new(), price });
        }
        for (id, terms) in self.sales.iter().flat_map(Sales::all) {
            let Some(agent) = agents::get(&reader, &id)? else { continue };
            let (id, description) = (id.to_string(), clean(&terms.description, LINE));
            all.push(Served { what: What::Agent, id, name: agent.name, description, price: terms.price.into() });
        }
        Ok(all)
    }
}
