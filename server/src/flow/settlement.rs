//! The end of an attempt, in one transaction: outcome, charge, postings, receipt, answer, audit.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wallet_core::attributes::{Attribute, released};
use wallet_core::ecert::{AssuranceLevel, Disclosure};
use wallet_core::face::{Judgement, Thresholds};
use wallet_core::ids::{AttemptId, ChargeId, LedgerTransactionId, RedemptionId};
use wallet_core::jws::{self, x5c};
use wallet_core::money::{Amount, Currency};
use wallet_core::receipt::{Receipt, ReceiptCharge};
use wallet_core::refusal::{HolderMessage, Reason, Refusal};

use super::certificates::{in_force, referred_to};
use super::idempotency::finish;
use super::{Context, issuance};
use crate::billing::posting::Balanced;
use crate::billing::price::{self, Price, Service};
use crate::stop::Flow;
use crate::store::certificates::Certificate;
use crate::store::idempotency::Lease;
use crate::store::redemptions::{self, Attempt, Redemption, State};
use crate::store::{Conn, audit, charges, holders, ledger};

/// What a redemption is metered as.
pub(super) const SERVICE: Service = Service::EcertRedeem;

/// What became of the capture.
pub(super) enum Verdict {
    /// Passed or failed.
    Judged(Judgement),
    /// Not judgeable.
    Unusable(Reason),
}

/// The answer to an attempt, as it is given and kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Passed or failed, and charged.
    Judged(Box<Judged>),
    /// Not judgeable, not charged.
    Unusable(Unusable),
}

/// Passed or failed.
#[derive(Serialize, Deserialize)]
pub struct Judged {
    /// The redemption.
    pub id: RedemptionId,
    /// `passed` or `failed`.
    pub outcome: String,
    purpose: String,
    asked: BTreeSet<Attribute>,
    /// Who: only when passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    assurance_level: Option<AssuranceLevel>,
    /// Exactly what was asked for and allowed: only when passed.
    attributes: BTreeMap<Attribute, Value>,
    judgement: Judgement,
    thresholds: Thresholds,
    model: String,
    /// What it cost.
    pub charge: ReceiptCharge,
    /// JWS `ecert-receipt+jwt`.
    pub receipt: String,
    /// JWS `ecert-result+jwt` over subject, outcome and attributes.
    result: String,
}

/// Not judgeable.
#[derive(Serialize, Deserialize)]
pub struct Unusable {
    /// The redemption; it stays open.
    pub id: RedemptionId,
    /// Why.
    pub reason: String,
    /// What the person can do.
    pub hint: HolderMessage,
    /// JWS: the proof that it cost nothing.
    pub receipt: String,
}

/// What sealed answers are bound to.
pub(super) fn answer_context(id: RedemptionId) -> String {
    format!("redemptions.answer {id}")
}

/// Captures that could not be judged, in one redemption.
pub(super) const MAX_UNUSABLE: i64 = 5;

/// Writes the outcome of an attempt submitted at `submitted_at`.
pub(super) fn settle(
    ctx: &Context,
    lease: &Lease,
    redemption: &Redemption,
    verdict: &Verdict,
    submitted_at: Timestamp,
) -> Flow<Answer> {
    let now = ctx.now();
    ctx.store.write(|conn| {
        // Two captures of one redemption may have been judged at once: the first to come here is the one that counts.
        let current = redemptions::find(conn, redemption.id, redemption.rp)?.ok_or(Refusal::NotFound)?;
        if current.state != State::Challenged || current.unusable_attempts >= MAX_UNUSABLE {
            return Err(Refusal::RedemptionClosed.into());
        }
        let (answer, outcome) = match verdict {
            Verdict::Judged(judgement) => {
                let answer = record_judged(ctx, conn, redemption, judgement, submitted_at, now)?;
                (Answer::Judged(Box::new(answer)), outcome(judgement))
            }
            Verdict::Unusable(reason) => {
                (Answer::Unusable(record_unusable(ctx, conn, redemption, reason, now)?), "unusable")
            }
        };
        if let Answer::Judged(judged) = &answer {
            let sealed = ctx.vault.seal_json(&answer_context(redemption.id), judged)?;
            redemptions::close(conn, redemption.id, judged.judgement.passed, &sealed, now)?;
        }
        finish(ctx, conn, lease, &answer)?;
        audit::append(conn, redemption.rp, "redemption.judge", redemption.id, outcome, now)?;
        Ok(answer)
    })
}

fn outcome(judgement: &Judgement) -> &'static str {
    if judgement.passed { "passed" } else { "failed" }
}

fn record_judged(
    ctx: &Context,
    conn: &mut Conn,
    redemption: &Redemption,
    judgement: &Judgement,
    submitted_at: Timestamp,
    now: Timestamp,
) -> Flow<Judged> {
    // Revoked while the models ran: refused, and nothing is charged.
    let certificate = in_force(referred_to(conn, redemption.certificate)?, now)?;
    let prices = charges::prices_of(conn, SERVICE)?;
    let price = price::price_at(&prices, submitted_at);
    let price = price.ok_or_else(|| anyhow::anyhow!("no price of {} is in force", SERVICE.as_str()))?;
    let attempt = AttemptId::new(now, &mut rand::rng());
    let charge = book(ctx, conn, redemption, attempt, price, submitted_at, now)?;
    let receipt = sign_receipt(ctx, redemption, attempt, outcome(judgement), Ok(charge.clone()), now)?;
    let row = Attempt {
        id: attempt,
        rp: redemption.rp,
        redemption: redemption.id,
        service: SERVICE.as_str(),
        outcome: outcome(judgement),
        reason: judgement.reasons.first().map(|reason| reason.code()),
        charge: Some(charge.id),
        receipt: &receipt,
    };
    redemptions::insert_attempt(conn, &row, now)?;
    let mut answer = Judged {
        id: redemption.id,
        outcome: outcome(judgement).to_owned(),
        purpose: redemption.purpose.clone(),
        asked: redemption.asked.clone(),
        subject: None,
        assurance_level: None,
        attributes: BTreeMap::new(),
        judgement: judgement.clone(),
        thresholds: ctx.models.thresholds(),
        model: ctx.models.model_id().to_owned(),
        charge,
        receipt,
        result: String::new(),
    };
    if judgement.passed {
        disclose(ctx, conn, redemption, &certificate, &mut answer)?;
    }
    answer.result = sign_result(ctx, redemption, &answer, now)?;
    Ok(answer)
}

fn book(
    ctx: &Context,
    conn: &mut Conn,
    redemption: &Redemption,
    attempt: AttemptId,
    price: &Price,
    submitted_at: Timestamp,
    now: Timestamp,
) -> Flow<ReceiptCharge> {
    let id = ChargeId::new(now, &mut rand::rng());
    let transaction = LedgerTransactionId::new(now, &mut rand::rng());
    let postings = Balanced::for_use(redemption.rp, SERVICE, price.micros)?;
    ledger::post(conn, transaction, "use", &postings, now)?;
    let charge = charges::Charge {
        id,
        rp: redemption.rp,
        attempt,
        redemption: redemption.id,
        price,
        transaction,
        usage_date: price::usage_date(submitted_at, &ctx.zone),
    };
    charges::insert(conn, &charge, now)?;
    let amount = Amount { currency: Currency::Cny, micros: price.micros };
    Ok(ReceiptCharge { id, amount, price_version: price.version.clone(), transaction })
}

fn record_unusable(
    ctx: &Context,
    conn: &mut Conn,
    redemption: &Redemption,
    reason: &Reason,
    now: Timestamp,
) -> Flow<Unusable> {
    let attempt = AttemptId::new(now, &mut rand::rng());
    let receipt = sign_receipt(ctx, redemption, attempt, "unusable", Err(reason.code), now)?;
    let row = Attempt {
        id: attempt,
        rp: redemption.rp,
        redemption: redemption.id,
        service: SERVICE.as_str(),
        outcome: "unusable",
        reason: Some(reason.code),
        charge: None,
        receipt: &receipt,
    };
    redemptions::insert_attempt(conn, &row, now)?;
    redemptions::count_unusable(conn, redemption.id)?;
    Ok(Unusable { id: redemption.id, reason: reason.code.to_owned(), hint: reason.hint.clone(), receipt })
}

fn sign_receipt(
    ctx: &Context,
    redemption: &Redemption,
    attempt: AttemptId,
    outcome: &str,
    charge: Result<ReceiptCharge, &'static str>,
    now: Timestamp,
) -> Flow<String> {
    let (charge, not_charged) = match charge {
        Ok(charge) => (Some(charge), None),
        Err(reason) => (None, Some(reason.to_owned())),
    };
    let receipt = Receipt {
        iss: ctx.public_url.clone(),
        iat: now.as_second(),
        attempt,
        redemption: redemption.id,
        relying_party: redemption.rp,
        service: SERVICE.as_str().to_owned(),
        outcome: outcome.to_owned(),
        not_charged,
        charge,
    };
    Ok(receipt.sign(ctx.signer.chain(), ctx.signer.as_ref())?)
}

fn disclose(
    ctx: &Context,
    conn: &mut Conn,
    redemption: &Redemption,
    certificate: &Certificate,
    answer: &mut Judged,
) -> Flow<()> {
    let eid = holders::eid(conn, certificate.holder)?;
    answer.subject = Some(eid.subject(&ctx.secrets.subject, redemption.rp));
    answer.assurance_level = Some(certificate.assurance);
    let context = issuance::attributes_context(certificate.id);
    let disclosures: Vec<Disclosure> = ctx.vault.open_json(&context, &certificate.sealed_attributes)?;
    for attribute in released(&redemption.asked, redemption.share) {
        answer.attributes.insert(attribute, value(attribute, &disclosures, ctx.today())?);
    }
    Ok(())
}

fn value(attribute: Attribute, disclosures: &[Disclosure], today: Date) -> anyhow::Result<Value> {
    let stored = |name: Attribute| {
        let found = disclosures.iter().find(|disclosure| disclosure.name == name);
        found
            .map(|disclosure| disclosure.value.as_str())
            .ok_or_else(|| anyhow::anyhow!("an attribute is missing"))
    };
    match attribute {
        Attribute::Over18 => {
            // Without the parser's own words: they would quote the date into a log.
            let birth = stored(Attribute::BirthDate)?
                .parse()
                .map_err(|_| anyhow::anyhow!("a stored date is damaged"))?;
            Ok(is_of_age(birth, today).into())
        }
        other => Ok(stored(other)?.into()),
    }
}

/// Eighteen on the day of the 18th birthday, counted from its midnight. Who was born on 29 February turns 18 on 1 March.
fn is_of_age(birth: Date, today: Date) -> bool {
    let years = today.year() - birth.year();
    years > 18 || (years == 18 && (today.month(), today.day()) >= (birth.month(), birth.day()))
}

fn sign_result(ctx: &Context, redemption: &Redemption, answer: &Judged, now: Timestamp) -> Flow<String> {
    let claims = json!({
        "iss": ctx.public_url, "aud": redemption.rp, "iat": now.as_second(), "jti": redemption.id,
        "sub": answer.subject, "outcome": answer.outcome, "purpose": answer.purpose,
        "assurance_level": answer.assurance_level, "attributes": answer.attributes,
    });
    Ok(jws::sign("ecert-result+jwt", x5c(ctx.signer.chain()), &claims, ctx.signer.as_ref())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn of_age_on_the_eighteenth_birthday_and_not_a_day_before() {
        let born = date(2008, 11, 22);
        assert!(!is_of_age(born, date(2026, 11, 21)));
        assert!(is_of_age(born, date(2026, 11, 22)));
        assert!(!is_of_age(date(2008, 2, 29), date(2026, 2, 28)));
        assert!(is_of_age(date(2008, 2, 29), date(2026, 3, 1)));
    }
}
