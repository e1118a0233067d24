//! A statement on paper. What is printed is what was signed: the token is verified first, and the figures are taken from it.

use jiff::Timestamp;
use wallet_core::ids::RelyingPartyId;
use wallet_core::refusal::Refusal;
use wallet_core::statement::{Item, Statement as Token};

use super::{Books, Context};
use crate::billing::price::Service;
use crate::edge::print::{Bill, BilledPack, Language, NotPrinted, Press};
use crate::flow::callers::RelyingParty;
use crate::flow::settling;
use crate::stop::Flow;
use crate::store::statements::{self, Statement};
use crate::store::{Conn, charges, packs, relying_parties};

/// The statement of a period as PDF.
pub fn print(ctx: &Context, rp: &RelyingParty, period: &str, language: Language) -> Flow<Vec<u8>> {
    let bill = ctx.books().bill(rp.id, period, ctx.now())?;
    pressed(&ctx.press, &bill, language)
}

fn pressed(press: &Press, bill: &Bill, language: Language) -> Flow<Vec<u8>> {
    press.print(bill, language).map_err(|error| match error {
        NotPrinted::NoFont(_) => {
            tracing::warn!(%error, "a statement was not printed");
            Refusal::PdfUnavailable.into()
        }
        NotPrinted::Refused(_) => anyhow::Error::from(error).into(),
    })
}

impl Books<'_> {
    /// What is printed of the statement of a period.
    ///
    /// # Errors
    /// [`Refusal::NotFound`] where there is none; a malfunction where what is kept is not what was signed.
    pub fn bill(&self, rp: RelyingPartyId, period: &str, now: Timestamp) -> Flow<Bill> {
        let (root, zone) = (self.signer.root(), self.zone);
        self.store.read(|conn| {
            let stated = statements::find(conn, rp, period)?.ok_or(Refusal::NotFound)?;
            let name = relying_parties::names(conn, [rp])?.remove(&rp).ok_or(Refusal::NotFound)?;
            let token = Token::verify(&stated.token, &root, stated.closed_at)?;
            let unit_prices = token.items.iter().map(|item| unit_price(conn, item)).collect::<Flow<_>>()?;
            Ok(Bill {
                key_id: Token::key_id(&stated.token).unwrap_or_default(),
                token: stated.token.clone(),
                name,
                zone: zone.clone(),
                bounds: stated.bounds,
                closed_at: stated.closed_at,
                unit_prices,
                packs: drawn_from(conn, &stated, &token)?,
                payments: statements::payments(conn, rp, period)?,
                late_fee: settling::late_fee(zone, conn, &stated, now)?,
                settled_at: stated.settled_at,
                late_fee_paid_at: stated.late_fee_paid_at,
                statement: token,
                as_of: now,
            })
        })
    }
}

fn unit_price(conn: &mut Conn, item: &Item) -> Flow<Option<wallet_core::money::Micros>> {
    let Some(service) = Service::parse(&item.service).filter(|_| item.pack.is_none()) else {
        return Ok(None);
    };
    let prices = charges::prices_of(conn, service)?;
    Ok(prices.iter().find(|price| price.version == item.price_version).map(|price| price.micros))
}

fn drawn_from(conn: &mut Conn, stated: &Statement, token: &Token) -> Flow<Vec<BilledPack>> {
    let mut drawn = std::collections::BTreeMap::new();
    for item in &token.items {
        if let Some(pack) = item.pack {
            *drawn.entry(pack).or_insert(0_u64) += item.uses;
        }
    }
    let told = |(id, drawn)| {
        let pack = packs::find(conn, stated.rp, id)?;
        let so_far = statements::drawn_by(conn, stated.rp, id, stated.bounds.0)?;
        Ok(BilledPack {
            id,
            service: pack.service.as_str().to_owned(),
            expires_at: pack.expires_at,
            units: pack.units,
            drawn: i64::try_from(drawn)?,
            left: pack.units - so_far,
        })
    };
    drawn.into_iter().map(told).collect()
}
