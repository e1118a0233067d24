//! Promotions: added by admins, never changed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wallet_core::ids::AdminId;
use wallet_core::money::SentAmount;
use wallet_core::refusal::Refusal;

use super::Context;
use super::amounts::{MOST_PRICE, bounded, invalid, name, yuan};
use crate::billing::price::Service;
use crate::billing::promotions::{Off, Promotion, WHOLE};
use crate::stop::Flow;
use crate::store::{audit, offers, promotions};

/// A promotion to add: either `basis_points` or `amount` is taken off.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = Promotion)]
#[serde(deny_unknown_fields)]
pub struct New {
    id: String,
    /// Hundredths of a percent, 1 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    basis_points: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    amount: Option<SentAmount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    /// Who names it gets it, once; without one, everybody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coupon: Option<String>,
    /// Whether it may meet others of which this is said.
    #[serde(default)]
    stackable: bool,
    valid_from: Timestamp,
    valid_until: Timestamp,
}

impl New {
    fn check(&self, now: Timestamp) -> Result<Promotion, Refusal> {
        name("id", &self.id)?;
        let off = match (&self.basis_points, &self.amount) {
            (Some(parts), None) => {
                let parts = bounded("basis_points", *parts, 1, WHOLE.into())?;
                Off::Percentage(u32::try_from(parts).map_err(|_| invalid("basis_points", "1 to 10000"))?)
            }
            (None, Some(amount)) => Off::Amount(yuan("amount", amount, 1, MOST_PRICE)?),
            _ => return Err(invalid("basis_points", "either this or `amount`")),
        };
        let service =
            |name: &String| Service::parse(name).ok_or_else(|| invalid("service", "a known service"));
        if let Some(offer) = &self.offer {
            name("offer", offer)?;
        }
        if let Some(coupon) = &self.coupon {
            super::amounts::reference("coupon", coupon)?;
        }
        if self.valid_until <= self.valid_from || self.valid_until <= now {
            return Err(invalid("valid_until", "after now and after `valid_from`"));
        }
        // What was bought before it was added was bought without it: so it is recomputed, too.
        let valid_from = self.valid_from.max(now);
        Ok(Promotion {
            id: self.id.clone(),
            off,
            service: self.service.as_ref().map(service).transpose()?,
            offer: self.offer.clone(),
            coupon: self.coupon.clone(),
            stackable: self.stackable,
            valid_from,
            valid_until: self.valid_until,
        })
    }
}

/// Adds a promotion.
pub fn add(ctx: &Context, admin: AdminId, new: &New) -> Flow<()> {
    let now = ctx.now();
    let promotion = new.check(now)?;
    ctx.rp_store.write(|conn| {
        if promotions::is_taken(conn, &promotion.id, promotion.coupon.as_deref())? {
            return Err(invalid("id", "a name and a coupon that no promotion had before").into());
        }
        if let Some(offer) = &promotion.offer
            && !offers::any(conn, &[offer])?
        {
            return Err(invalid("offer", "the name of an offer").into());
        }
        promotions::insert(conn, &promotion)?;
        Ok(audit::append(conn, admin, "promotion.add", &promotion.id, "done", now)?)
    })
}
