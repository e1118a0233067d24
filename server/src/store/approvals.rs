//! What a relying party asks a holder on their own phone, beside the redemption itself.

use diesel::prelude::*;
use wallet_core::ids::{ApiKeyId, RedemptionId, RelyingPartyId};
use wallet_core::money::{Amount, Currency, Micros};

use super::columns::{damaged, parse};
use super::schema::approvals;
use super::{Conn, exactly_one};

/// What both sides compare and agree on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approval {
    /// 0 to 99: what the relying party shows, and the holder enters.
    pub number: u8,
    /// How many other numbers were entered.
    pub wrong_numbers: u32,
    /// What it is about, if it is about money.
    pub amount: Option<Amount>,
    /// By which of its keys the relying party asks; none from before that was noted.
    pub key: Option<ApiKeyId>,
}

/// Adds what is asked in a redemption.
pub fn insert(
    conn: &mut Conn,
    rp: RelyingPartyId,
    redemption: RedemptionId,
    approval: &Approval,
) -> QueryResult<()> {
    let row = (
        approvals::rp_id.eq(rp.to_string()),
        approvals::redemption_id.eq(redemption.to_string()),
        approvals::number.eq(i64::from(approval.number)),
        approvals::wrong_numbers.eq(i64::from(approval.wrong_numbers)),
        approvals::amount_currency.eq(approval.amount.map(|amount| amount.currency.code())),
        approvals::amount_micros.eq(approval.amount.map(|amount| amount.micros.get())),
        approvals::api_key_id.eq(approval.key.map(|key| key.to_string())),
    );
    diesel::insert_into(approvals::table).values(row).execute(conn).map(drop)
}

type Row = (String, i64, i64, Option<String>, Option<i64>, Option<String>);

/// What is asked in these redemptions, in any order; most of any others have nothing here.
pub fn find_all(
    conn: &mut Conn,
    ids: &[(RelyingPartyId, RedemptionId)],
) -> QueryResult<Vec<(RedemptionId, Approval)>> {
    let found = approvals::table
        .filter(approvals::rp_id.eq_any(ids.iter().map(|(rp, _)| rp.to_string())))
        .filter(approvals::redemption_id.eq_any(ids.iter().map(|(_, id)| id.to_string())))
        .select((
            approvals::redemption_id,
            approvals::number,
            approvals::wrong_numbers,
            approvals::amount_currency,
            approvals::amount_micros,
            approvals::api_key_id,
        ));
    found.load::<Row>(conn)?.into_iter().map(from_row).collect()
}

/// What is asked in a redemption; `None` where the face is captured by the relying party.
pub fn find(conn: &mut Conn, rp: RelyingPartyId, redemption: RedemptionId) -> QueryResult<Option<Approval>> {
    Ok(find_all(conn, &[(rp, redemption)])?.pop().map(|(_, approval)| approval))
}

fn from_row((id, number, wrong, currency, micros, key): Row) -> QueryResult<(RedemptionId, Approval)> {
    let amount = match (currency.as_deref(), micros) {
        (None, None) => None,
        (Some(code), Some(micros)) if code == Currency::Cny.code() => {
            Some(Amount { currency: Currency::Cny, micros: Micros::new(micros) })
        }
        _ => return Err(damaged(&"approvals.amount_currency")),
    };
    let number = u8::try_from(number).map_err(|error| damaged(&error))?;
    let wrong_numbers = u32::try_from(wrong).map_err(|error| damaged(&error))?;
    let key = key.as_deref().map(parse).transpose()?;
    Ok((parse(&id)?, Approval { number, wrong_numbers, amount, key }))
}

/// Counts a wrong number, in an approval that is still as it was read.
pub fn count_wrong(
    conn: &mut Conn,
    rp: RelyingPartyId,
    redemption: RedemptionId,
    approval: &Approval,
) -> QueryResult<()> {
    let row = approvals::table
        .find((rp.to_string(), redemption.to_string()))
        .filter(approvals::wrong_numbers.eq(i64::from(approval.wrong_numbers)));
    let counted = approvals::wrong_numbers.eq(approvals::wrong_numbers + 1);
    exactly_one(diesel::update(row).set(counted).execute(conn)?)
}
