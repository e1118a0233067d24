//! A billing day that is over, put straight into the tables that its statements are made from.

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use ecert_server::billing::periods::{Cycle, Period};
use ecert_server::store::schema;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use wallet_core::ids::{AttemptId, ChargeId, LedgerTransactionId, RedemptionId, RelyingPartyId};

use super::rows::{Rows, put};

/// Of so many charges one is of the first relying party, and the others are spread over all.
const ONE_IN: u64 = 10;

#[derive(Insertable)]
#[diesel(table_name = schema::attempts, treat_none_as_default_value = false)]
struct AttemptRow {
    rp_id: String,
    redemption_id: String,
    id: String,
    service: &'static str,
    outcome: &'static str,
    charge_id: String,
    receipt: String,
    judged_at: i64,
}

#[derive(Insertable)]
#[diesel(table_name = schema::charges, treat_none_as_default_value = false)]
struct ChargeRow {
    rp_id: String,
    redemption_id: String,
    id: String,
    attempt_id: String,
    service: &'static str,
    price_version: String,
    currency: &'static str,
    micros: i64,
    transaction_id: String,
    usage_date: String,
    charged_at: i64,
    period: String,
    submitted_at: i64,
}

/// Charges with the attempts that they are for.
pub(super) struct Charges {
    attempts: Vec<AttemptRow>,
    charges: Vec<ChargeRow>,
}

impl Rows for Charges {
    fn insert_sqlite(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        put!(sqlite conn, attempts: self.attempts, charges: self.charges)
    }

    fn insert_postgres(&self, conn: &mut PgConnection) -> QueryResult<()> {
        put!(postgres conn, attempts: self.attempts, charges: self.charges)
    }
}

/// What a charge of the day is like.
#[derive(Debug, Clone)]
pub struct Day {
    period: Period,
    /// Of all charges.
    pub charges: u64,
    /// A receipt as it is stored: of another charge, since nobody reads them here, and of the right size.
    pub receipt: String,
    /// The price list.
    pub price_version: String,
    /// What each costs, in micro-yuan.
    pub micros: i64,
}

impl Day {
    /// The last one that can be closed, in `zone`.
    ///
    /// # Errors
    /// At the end of the calendar.
    pub fn before(now: Timestamp, zone: &TimeZone) -> anyhow::Result<Day> {
        let mut at = now - SignedDuration::from_hours(24);
        let mut period = Period::of(Cycle::Daily, at, zone)?;
        if period.closable_at() > now {
            at -= SignedDuration::from_hours(24);
            period = Period::of(Cycle::Daily, at, zone)?;
        }
        Ok(Day { period, charges: 0, receipt: String::new(), price_version: String::new(), micros: 0 })
    }

    /// When it began.
    pub fn begins(&self) -> Timestamp {
        self.period.bounds().0
    }

    /// Those with the numbers of `range`, evenly spread over the day.
    pub(super) fn rows(
        &self,
        range: std::ops::Range<u64>,
        parties: &[RelyingPartyId],
    ) -> anyhow::Result<Charges> {
        let (from, to) = self.period.bounds();
        let length = u64::try_from((to.as_microsecond() - from.as_microsecond()).max(1))?;
        let mut made = Charges { attempts: Vec::new(), charges: Vec::new() };
        let mut rng = StdRng::seed_from_u64(range.start);
        for number in range {
            let party = if number % ONE_IN == 0 { 0 } else { number % u64::try_from(parties.len())? };
            let rp = parties.get(usize::try_from(party)?).map_or_else(String::new, ToString::to_string);
            let into = u64::try_from(u128::from(length) * u128::from(number) / u128::from(self.charges))?;
            let at = from + SignedDuration::from_micros(i64::try_from(into)?);
            let redemption = RedemptionId::new(at, &mut rng).to_string();
            let (attempt, charge) = (AttemptId::new(at, &mut rng), ChargeId::new(at, &mut rng));
            made.attempts.push(AttemptRow {
                rp_id: rp.clone(),
                redemption_id: redemption.clone(),
                id: attempt.to_string(),
                service: "ecert.redeem",
                outcome: "passed",
                charge_id: charge.to_string(),
                receipt: self.receipt.clone(),
                judged_at: at.as_microsecond(),
            });
            made.charges.push(ChargeRow {
                rp_id: rp,
                redemption_id: redemption,
                id: charge.to_string(),
                attempt_id: attempt.to_string(),
                service: "ecert.redeem",
                price_version: self.price_version.clone(),
                currency: "CNY",
                micros: self.micros,
                transaction_id: LedgerTransactionId::new(at, &mut rng).to_string(),
                usage_date: self.period.date().to_string(),
                charged_at: at.as_microsecond(),
                period: self.period.to_string(),
                submitted_at: at.as_microsecond(),
            });
        }
        Ok(made)
    }
}
