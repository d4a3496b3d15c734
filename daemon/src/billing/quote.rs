//! What an answer costs, said and signed before it is asked: and kept to.

use datanet_types::quote::SignedQuote;
use datanet_types::{Amount, Digest, NodeKey, Signature};

use super::Billing;
use super::price::Price;
use super::reservation::{Asked, Kind};
use crate::db::now;
use crate::error::{Code, ServiceError, ServiceResult};

/// Seconds for which a quote is good.
pub const QUOTE_SECONDS: u64 = 300;

impl Billing {
    /// This node's signed word that an answer of this `kind` by `subject` (a datanet or a model) costs no more than `price`; for one
    /// question only, if `payload` is its hash. It costs this node nothing and binds it to a price, not to answer: nothing is held for it.
    pub fn quote(&self, kind: Kind, subject: [u8; 32], price: Price, payload: Option<Digest>) -> SignedQuote {
        let quote = SignedQuote {
            node: NodeKey::default(),
            kind: kind.as_str().to_owned(),
            subject: Digest(subject),
            price: price.most,
            rate: price.rate,
            payload,
            expires_at: now().saturating_add(QUOTE_SECONDS),
            signature: Signature::default(),
        };
        quote.signed(self.chain.id(), self.identity.secret())
    }

    /// Checks that `quote` is this node's word on what is `asked`. Whatever a name has come to mean since, the quoted model or datanet answers
    /// at the quoted price, or nobody is charged.
    pub(super) fn honour(&self, quote: &SignedQuote, asked: &Asked, price: &Price) -> ServiceResult<()> {
        self.honour_at(quote, asked, price, now())
    }

    /// The same at another time, in seconds since 1970.
    pub(super) fn honour_at(&self, quote: &SignedQuote, asked: &Asked, price: &Price, now: u64) -> ServiceResult<()> {
        checked(quote, asked, price, &Here { chain: self.chain.id(), node: self.identity.node_key(), now })
    }

    /// Checks that `quote` is this node's word on a price, whatever for, and holds now.
    pub(super) fn own_word(&self, quote: &SignedQuote, price: Amount) -> ServiceResult<()> {
        signed_here(quote, &Here { chain: self.chain.id(), node: self.identity.node_key(), now: now() })?;
        said(quote, &Price { most: price, ..Price::quoted(quote) })
    }
}

/// Where and when a quote is to be honoured.
struct Here<'a> {
    chain: &'a str,
    node: NodeKey,
    now: u64,
}

fn refuse(detail: String) -> ServiceResult<()> {
    Err(ServiceError::new(Code::BadQuote, detail).about("quote"))
}

fn signed_here(quote: &SignedQuote, here: &Here<'_>) -> ServiceResult<()> {
    if quote.node != here.node {
        return refuse(format!(
            "the quote is of node {}, and this is {}; ask that one, or have this one quote",
            quote.node, here.node
        ));
    }
    if quote.verify(here.chain).is_err() {
        return refuse(
            "the quote is not signed by this node for this chain; send it as POST /v1/quotes gave it".to_owned(),
        );
    }
    if quote.expires_at <= here.now {
        let detail =
            format!("the quote expired {} seconds ago; have another where it was given", here.now - quote.expires_at);
        return Err(ServiceError::new(Code::QuoteExpired, detail).about("quote"));
    }
    Ok(())
}

fn said(quote: &SignedQuote, price: &Price) -> ServiceResult<()> {
    let (said, most) = (quote.price, price.most);
    if quote.rate != price.rate {
        return refuse("the node's prices are others by now than the quote's; have another quote".to_owned());
    }
    // What is counted may cost less: of any text that was quoted for, the longest is the dearest.
    if said == most || (price.is_metered() && said > most) {
        return Ok(());
    }
    if price.is_metered() {
        return refuse(format!(
            "the quote is for up to {said} base units, and this answer may cost {most}; ask for fewer tokens, or have a quote for this one"
        ));
    }
    // Prices on the ledger stay as they are; were one to change, an answer at the old one could not be settled.
    refuse(format!("the quote says {said} base units and the ledger {most}; have another quote"))
}

fn checked(quote: &SignedQuote, asked: &Asked, price: &Price, here: &Here<'_>) -> ServiceResult<()> {
    signed_here(quote, here)?;
    if quote.kind != asked.kind.as_str() || quote.subject.0 != asked.whom {
        return refuse(format!(
            "the quote is to {} {}, and this is to {} {}; the name may lead elsewhere by now: ask by the id, or have another quote",
            quote.kind,
            quote.subject,
            asked.kind.as_str(),
            Digest(asked.whom)
        ));
    }
    if quote.payload.is_some_and(|payload| payload != asked.payload) {
        return refuse("the quote is for another question; send that one, or have a quote for this one".to_owned());
    }
    said(quote, price)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datanet_types::SigningKey;

    #[test]
    fn a_quote_is_good_here_and_now_for_what_it_is_for() {
        let (key, stranger) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let asked = Asked::of(Kind::Ask, &[3; 32], b"?");
        let here = Here { chain: "c", node: key.node_key(), now: 100 };
        let plain = SignedQuote {
            kind: "ask".into(),
            subject: Digest([3; 32]),
            price: 5,
            expires_at: 101,
            ..Default::default()
        };
        let bound = SignedQuote { payload: Some(asked.payload), ..plain.clone() };
        for good in [plain.clone(), bound.clone()] {
            checked(&good.signed("c", &key), &asked, &Price::from(5), &here).unwrap();
        }
        let good = plain.clone().signed("c", &key);
        let refused = |quote: &SignedQuote, asked: &Asked, here: &Here<'_>| {
            let error = checked(quote, asked, &Price::from(5), here).unwrap_err();
            (error.code, error.detail)
        };
        let bad = [
            (plain.clone().signed("c", &stranger), "is of node"),
            (SignedQuote { node: key.node_key(), ..plain.clone().signed("c", &stranger) }, "not signed by this node"),
            (plain.clone().signed("d", &key), "not signed by this node"),
            (SignedQuote { price: 1, ..good.clone() }, "not signed by this node"),
            (SignedQuote { kind: "classify".into(), ..plain.clone() }.signed("c", &key), "is to classify"),
            (SignedQuote { subject: Digest([4; 32]), ..plain.clone() }.signed("c", &key), "is to ask"),
            (SignedQuote { payload: Some(Digest([5; 32])), ..plain.clone() }.signed("c", &key), "another question"),
            (SignedQuote { price: 4, ..plain.clone() }.signed("c", &key), "the ledger 5"),
        ];
        for (quote, words) in bad {
            let (code, detail) = refused(&quote, &asked, &here);
            assert!(code == Code::BadQuote && detail.contains(words), "{detail}");
        }
        let (code, detail) = refused(&good, &asked, &Here { now: 101, ..here });
        assert!(code == Code::QuoteExpired && detail.contains("0 seconds ago"), "{detail}");
        let other = Asked::of(Kind::Ask, &[3; 32], b"other?");
        assert!(
            refused(&bound.signed("c", &key), &other, &Here { now: 100, chain: "c", node: key.node_key() })
                .1
                .contains("another question")
        );
    }

    #[test]
    fn a_quote_for_text_holds_for_any_length_up_to_its_own_at_its_own_prices_alone() {
        use datanet_types::rate::Rate;
        let key = SigningKey::from_bytes(&[1; 32]);
        let (rate, asked) = (Rate { answer: 100, thousand: 500, step: 0 }, Asked::of(Kind::Complete, &[3; 32], b"?"));
        let price = |tokens| Price::of_text(rate, tokens);
        let quote = SignedQuote {
            kind: "complete".into(),
            subject: Digest([3; 32]),
            price: price(64).most,
            rate: Some(rate),
            expires_at: 101,
            ..Default::default()
        };
        let quote = quote.signed("c", &key);
        let here = Here { chain: "c", node: key.node_key(), now: 100 };
        for tokens in [1, 63, 64] {
            checked(&quote, &asked, &price(tokens), &here).unwrap();
        }
        let refused = |quote: &SignedQuote, price: Price| checked(quote, &asked, &price, &here).unwrap_err();
        assert!(refused(&quote, price(66)).detail.contains("fewer tokens"));
        // The node has other prices since, dearer or cheaper: what was said is not what would be charged.
        for changed in [Rate { thousand: 501, ..rate }, Rate { answer: 99, ..rate }] {
            let error = refused(&quote, Price::of_text(changed, 1));
            assert!(error.code == Code::BadQuote && error.detail.contains("others by now"), "{error}");
        }
        assert!(refused(&quote, Price::from(100)).detail.contains("others by now"));
    }
}
