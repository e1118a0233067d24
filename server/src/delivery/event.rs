//! What a relying party can be told of.

use std::collections::BTreeSet;
use std::str::FromStr;

use jiff::Timestamp;
use serde_json::{Value, json};

/// A kind of event, by the word that the API has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An attempt of a redemption was decided.
    RedemptionJudged,
    /// The holder said no.
    RedemptionCancelled,
    /// A holder took their consent back.
    ConsentWithdrawn,
    /// The packs of a service run low.
    PackLow,
    /// A soft cap is reached.
    CapReached,
    /// Money came in.
    Payment,
    /// An order was paid, and its packs are there.
    OrderPaid,
    /// A period was stated.
    StatementClosed,
    /// A statement is not covered.
    ArrearsBegun,
    /// All statements are covered again.
    ArrearsEnded,
    /// A use will cost something else.
    PriceAnnounced,
    /// A service will be billed by another cycle.
    CycleAnnounced,
    /// An API key was made.
    KeyCreated,
    /// An admin suspended the relying party.
    Suspended,
    /// It is served again.
    Resumed,
    /// A webhook was switched off by us.
    WebhookDisabled,
    /// A contact was switched off by us.
    ContactDisabled,
    /// An address is asked whether it wants to be told. Never chosen.
    ContactConfirmation,
}

impl Kind {
    /// Those that can be chosen.
    pub const ALL: [Kind; 17] = [
        Kind::RedemptionJudged,
        Kind::RedemptionCancelled,
        Kind::ConsentWithdrawn,
        Kind::PackLow,
        Kind::CapReached,
        Kind::Payment,
        Kind::OrderPaid,
        Kind::StatementClosed,
        Kind::ArrearsBegun,
        Kind::ArrearsEnded,
        Kind::PriceAnnounced,
        Kind::CycleAnnounced,
        Kind::KeyCreated,
        Kind::Suspended,
        Kind::Resumed,
        Kind::WebhookDisabled,
        Kind::ContactDisabled,
    ];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::RedemptionJudged => "redemption.judged",
            Kind::RedemptionCancelled => "redemption.cancelled",
            Kind::ConsentWithdrawn => "consent.withdrawn",
            Kind::PackLow => "pack.low",
            Kind::CapReached => "cap.reached",
            Kind::Payment => "payment",
            Kind::OrderPaid => "order.paid",
            Kind::StatementClosed => "statement.closed",
            Kind::ArrearsBegun => "arrears.begun",
            Kind::ArrearsEnded => "arrears.ended",
            Kind::PriceAnnounced => "price.announced",
            Kind::CycleAnnounced => "cycle.announced",
            Kind::KeyCreated => "api_key.created",
            Kind::Suspended => "relying_party.suspended",
            Kind::Resumed => "relying_party.resumed",
            Kind::WebhookDisabled => "webhook.disabled",
            Kind::ContactDisabled => "contact.disabled",
            Kind::ContactConfirmation => "contact.confirmation",
        }
    }

    /// Whether it may go out by mail: what comes with each redemption is for machines.
    pub fn goes_by_mail(self) -> bool {
        !matches!(self, Kind::RedemptionJudged | Kind::RedemptionCancelled)
    }
}

/// The text is the word for no kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no kind of event")]
pub struct NoKind;

impl FromStr for Kind {
    type Err = NoKind;

    fn from_str(text: &str) -> Result<Kind, NoKind> {
        let known = Kind::ALL.into_iter().chain([Kind::ContactConfirmation]);
        known.into_iter().find(|kind| kind.as_str() == text).ok_or(NoKind)
    }
}

/// What somebody wants to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// Everything, also kinds that there are not yet.
    All,
    /// These.
    Some(BTreeSet<Kind>),
}

/// What stands for [`Wanted::All`].
const ALL: &str = "*";

impl Wanted {
    /// Whether a kind is wanted.
    pub fn has(&self, kind: Kind) -> bool {
        match self {
            Wanted::All => true,
            Wanted::Some(kinds) => kinds.contains(&kind),
        }
    }

    /// The words, `*` for all.
    pub fn words(&self) -> Vec<&'static str> {
        match self {
            Wanted::All => vec![ALL],
            Wanted::Some(kinds) => kinds.iter().map(|kind| kind.as_str()).collect(),
        }
    }

    /// Reads words.
    ///
    /// # Errors
    /// When one is no kind that can be chosen, or there is none.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Wanted, NoKind> {
        let words: Vec<&str> = words.into_iter().collect();
        if words == [ALL] {
            return Ok(Wanted::All);
        }
        let kinds: BTreeSet<Kind> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
        let chosen = !kinds.is_empty() && !kinds.contains(&Kind::ContactConfirmation);
        if chosen { Ok(Wanted::Some(kinds)) } else { Err(NoKind) }
    }
}

/// The body of a webhook (Standard Webhooks, "payload structure"): the same bytes at each try.
pub fn payload(kind: Kind, at: Timestamp, data: &Value) -> String {
    json!({ "type": kind.as_str(), "timestamp": at, "data": data }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_reads_back_and_the_confirmation_can_not_be_chosen() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            let wanted = Wanted::parse([kind.as_str()]).unwrap();
            assert!(wanted.has(kind) && Wanted::All.has(kind));
            assert_eq!(wanted.words(), [kind.as_str()]);
        }
        for wrong in [vec![], vec!["pack"], vec!["*", "pack.low"], vec!["contact.confirmation"], vec![""]] {
            assert_eq!(Wanted::parse(wrong), Err(NoKind));
        }
        assert_eq!(Wanted::parse(["*"]), Ok(Wanted::All));
    }
}
