//! What is printed of a statement, and how its figures are written.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wallet_core::ids::PackId;
use wallet_core::money::{Amount, Currency, Micros};
use wallet_core::statement::Statement;

/// What is printed of a statement: what was signed, and what became of it since.
#[derive(Debug, Clone)]
pub struct Bill {
    /// What was signed.
    pub statement: Statement,
    /// The signed text.
    pub token: String,
    /// Which key signed it.
    pub key_id: String,
    /// What the relying party is called.
    pub name: String,
    /// The period's zone.
    pub zone: TimeZone,
    /// From when until when it was: half-open.
    pub bounds: (Timestamp, Timestamp),
    /// When the statement was made.
    pub closed_at: Timestamp,
    /// What a use costs by the price list, for each item of the statement; nothing for those drawn from a pack.
    pub unit_prices: Vec<Option<Micros>>,
    /// The packs that the items were drawn from.
    pub packs: Vec<BilledPack>,
    /// What was paid, and when.
    pub payments: Vec<(Timestamp, Micros)>,
    /// The late fee: fixed, or as of `as_of`.
    pub late_fee: Micros,
    /// When the last of the amount was paid.
    pub settled_at: Option<Timestamp>,
    /// When the late fee was paid, too; at once where there is none.
    pub late_fee_paid_at: Option<Timestamp>,
    /// Now: only its day is shown, and only where something is owed.
    pub as_of: Timestamp,
}

/// A pack that uses of the period were drawn from.
#[derive(Debug, Clone)]
pub struct BilledPack {
    /// Which.
    pub id: PackId,
    /// Of what.
    pub service: String,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// What it began with.
    pub units: i64,
    /// What was drawn in the period.
    pub drawn: i64,
    /// What was left after it, by the statements until then.
    pub left: i64,
}

/// The attachment's name: an hour's period has a colon where its offset has minutes, which file systems don't all take.
pub(super) fn file_name(period: &str) -> String {
    format!("statement-{}.jws", period.replace(':', ""))
}

impl Bill {
    pub(super) fn local(&self, at: Timestamp) -> String {
        at.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// What must still come in.
    pub(super) fn to_pay(&self) -> Micros {
        let paid = self.payments.iter().map(|(_, micros)| micros.get()).sum::<i64>();
        let amount = self.statement.amount.micros.get().saturating_sub(paid);
        let fee = if self.late_fee_paid_at.is_some() { 0 } else { self.late_fee.get() };
        Micros::new(amount.saturating_add(fee))
    }
}

/// Whole numbers in groups of three digits.
pub(super) fn grouped(digits: &str) -> String {
    let mut shown = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// All six decimals, and the whole yuan in groups.
pub(super) fn money(micros: Micros) -> String {
    let plain = Amount { currency: Currency::Cny, micros }.to_string();
    let (sign, plain) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
    let (yuan, parts) = plain.split_once('.').unwrap_or((plain, "000000"));
    format!("{sign}{}.{parts}", grouped(yuan))
}
