//! The end of an attempt, in one transaction: outcome, charge, postings, receipt, answer, audit.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::{Value, json};
use wallet_core::attributes::{Attribute, Source, has_reached, released};
use wallet_core::ecert::Disclosure;
use wallet_core::face::Judgement;
use wallet_core::ids::AttemptId;
use wallet_core::jws;
use wallet_core::receipt::ReceiptCharge;
use wallet_core::redemption::Event;
use wallet_core::refusal::{Reason, Refusal};

use super::answers::{Answer, Judged, Kept, Unusable, faster, seal_answer};
use super::callers::RelyingParty;
use super::certificates::InForce;
use super::charging::{self, Attempted, When};
use super::idempotency::{finish, seal};
use super::{Context, caps, issuance, metering, tokens};
use crate::billing::price::Service;
use crate::stop::Flow;
use crate::store::attempts::{self, Attempt};
use crate::store::audit;
use crate::store::idempotency::Lease;
use crate::store::redemptions::{self, Redemption};
use crate::store::settlements::{self, Settlement};

/// What a redemption is metered as.
pub(super) const SERVICE: Service = Service::EcertRedeem;

/// What became of the capture.
pub(super) enum Verdict {
    /// Passed or failed.
    Judged(Judgement),
    /// Not judgeable.
    Unusable(Reason),
}

/// Writes the outcome of an attempt submitted at `submitted_at`. All that is signed and sealed is made before the
/// transaction, which then only writes, or finds that another attempt was faster.
pub(super) fn settle(
    ctx: &Context,
    payer: &RelyingParty,
    lease: &Lease,
    redemption: Redemption,
    certificate: InForce,
    verdict: Verdict,
    submitted_at: Timestamp,
) -> Flow<Answer> {
    match verdict {
        Verdict::Judged(judgement) => {
            // If it was revoked while the models ran, this is refused and nothing is charged.
            settle_judged(ctx, payer, lease, redemption, certificate.still(ctx)?, judgement, submitted_at)
        }
        Verdict::Unusable(reason) => settle_unusable(ctx, payer, lease, &redemption, &reason, submitted_at),
    }
}

fn settle_judged(
    ctx: &Context,
    payer: &RelyingParty,
    lease: &Lease,
    redemption: Redemption,
    certificate: InForce,
    judgement: Judgement,
    submitted_at: Timestamp,
) -> Flow<Answer> {
    let judged = Event::Judged { passed: judgement.passed };
    redemption.state.after(judged, submitted_at).map_err(|_| Refusal::RedemptionClosed)?;
    let (rp, id) = (redemption.rp, redemption.id);
    for _ in 0..charging::GUESSES {
        let when = When::of(ctx, payer, submitted_at)?;
        let decision = Decision { payer, when, redemption: &redemption, certificate: &certificate };
        let (settlement, answer) = decided(ctx, lease, decision, judgement.clone())?;
        if write(ctx, payer, &when, settlement)? {
            return Ok(metering::counted(ctx, payer, Answer::Judged(Box::new(answer))));
        }
        let current = ctx.rp_store.read(|conn| Ok(redemptions::find(conn, id, rp)?))?;
        let is_open = current.is_some_and(|current| current.state.after(judged, submitted_at).is_ok());
        if !is_open {
            return ctx.rp_store.read(|conn| faster(ctx, conn, lease, rp, id))?.open(ctx, id);
        }
        charging::guessed_wrong(ctx, rp)?;
    }
    Err(Refusal::Overloaded { retry_after: 1 }.into())
}

/// Writes a settlement; `false` when nothing is written. Where what is spent is capped, or a clock of the sandbox must not have moved, that is
/// seen to in the same transaction, which then is one of its own.
fn write(ctx: &Context, payer: &RelyingParty, when: &When, settlement: Settlement) -> Flow<bool> {
    let purpose = settlement.redemption.purpose.as_str();
    if !payer.sandbox && !caps::counts(payer, Some(purpose), &settlement.charge) {
        return ctx.rounds.settlements.join(settlement);
    }
    ctx.rp_store.write_guarded(|conn| {
        let written = when.hold(conn)? && settlements::insert(conn, &settlement)?;
        if written {
            caps::count(conn, payer, Some(purpose), &settlement.charge, ctx.moments(settlement.billed_at))?;
        }
        Ok(written)
    })
}

/// What is decided about.
struct Decision<'a> {
    payer: &'a RelyingParty,
    when: When,
    redemption: &'a Redemption,
    certificate: &'a InForce,
}

/// All that a judgement leaves behind, signed and sealed, and the answer.
fn decided(
    ctx: &Context,
    lease: &Lease,
    Decision { payer, when, redemption, certificate }: Decision<'_>,
    judgement: Judgement,
) -> Flow<(Settlement, Judged)> {
    let (rp, id) = (redemption.rp, redemption.id);
    let outcome = outcome(&judgement);
    let reason = judgement.reasons.first().map(|reason| reason.code());
    let (charge, postings) = charging::charge(ctx, rp, id.into(), SERVICE, &when)?;
    let billed = charging::told(&charge);
    let receipt =
        sign_receipt(ctx, payer, redemption, (charge.attempt, outcome, Ok(billed.clone())), when.billed)?;
    let mut answer = answer(ctx, redemption, judgement, billed, receipt);
    if answer.judgement.passed {
        disclose(ctx, redemption, certificate, &mut answer)?;
    }
    answer.result = sign_result(ctx, payer, &answer, when.now)?;
    let (short_receipt, sealed) = seal_answer(ctx, &mut answer)?;
    let attempt = Attempt {
        id: charge.attempt,
        rp,
        occasion: id.into(),
        service: SERVICE.as_str(),
        outcome,
        reason,
        charge: Some(charge.id),
        receipt: short_receipt,
    };
    let settlement = Settlement {
        passed: answer.judgement.passed,
        sealed_answer: sealed,
        postings,
        kept: seal(ctx, lease, &Kept::Judged)?,
        lease: lease.clone(),
        at: when.now,
        billed_at: when.billed,
        redemption: redemption.clone(),
        attempt,
        charge,
    };
    Ok((settlement, answer))
}

fn settle_unusable(
    ctx: &Context,
    payer: &RelyingParty,
    lease: &Lease,
    redemption: &Redemption,
    reason: &Reason,
    submitted_at: Timestamp,
) -> Flow<Answer> {
    let When { now, billed, .. } = When::of(ctx, payer, submitted_at)?;
    let id = AttemptId::new(now, &mut rand::rng());
    let receipt = sign_receipt(ctx, payer, redemption, (id, "unusable", Err(reason.code)), billed)?;
    let hint = reason.hint.clone();
    let unusable = Unusable { reason: reason.code.to_owned(), hint, receipt };
    let attempt = Attempt {
        id,
        rp: redemption.rp,
        occasion: redemption.id.into(),
        service: SERVICE.as_str(),
        outcome: "unusable",
        reason: Some(reason.code),
        charge: None,
        receipt: tokens::shorten(ctx, &unusable.receipt)?,
    };
    let kept = Kept::Unusable(unusable.clone());
    let earlier = ctx.rp_store.write_guarded(|conn| {
        let current = redemptions::find(conn, redemption.id, redemption.rp)?.ok_or(Refusal::NotFound)?;
        let Ok(next) = current.state.after(Event::Unusable, submitted_at) else {
            return faster(ctx, conn, lease, redemption.rp, redemption.id).map(Some);
        };
        redemptions::advance(conn, &current, next, &current.challenge)?;
        attempts::insert(conn, &attempt, billed)?;
        finish(ctx, conn, lease, &kept, now)?;
        audit::append(conn, redemption.rp, "redemption.judge", redemption.id, "unusable", now)?;
        Ok(None)
    })?;
    match earlier {
        Some(earlier) => earlier.open(ctx, redemption.id),
        None => Ok(metering::counted(ctx, payer, Answer::Unusable(unusable))),
    }
}

fn outcome(judgement: &Judgement) -> &'static str {
    if judgement.passed { "passed" } else { "failed" }
}

fn sign_receipt(
    ctx: &Context,
    payer: &RelyingParty,
    redemption: &Redemption,
    (id, outcome, charge): (AttemptId, &'static str, Result<ReceiptCharge, &'static str>),
    at: Timestamp,
) -> Flow<String> {
    let (rp, sandbox, occasion) = (redemption.rp, payer.sandbox, redemption.id.into());
    charging::sign_receipt(
        ctx,
        Attempted { id, rp, sandbox, occasion, service: SERVICE, outcome, charge },
        at,
    )
}

/// The answer so far: without attributes, and not yet signed.
fn answer(
    ctx: &Context,
    redemption: &Redemption,
    judgement: Judgement,
    charge: ReceiptCharge,
    receipt: String,
) -> Judged {
    let model = judgement.comparison_models.join(" + ");
    Judged {
        id: redemption.id,
        outcome: outcome(&judgement).to_owned(),
        purpose: redemption.purpose.clone(),
        asked: redemption.asked.clone(),
        subject: None,
        assurance_level: None,
        attributes: BTreeMap::new(),
        judgement,
        thresholds: ctx.models.thresholds(),
        model,
        charge,
        receipt,
        result: String::new(),
    }
}

fn disclose(ctx: &Context, redemption: &Redemption, in_force: &InForce, answer: &mut Judged) -> Flow<()> {
    let InForce { certificate, owner, .. } = in_force;
    answer.subject = Some(owner.eid.subject(&ctx.secrets.subject, redemption.rp));
    answer.assurance_level = Some(certificate.assurance);
    let context = issuance::attributes_context(certificate.id);
    let disclosures: Vec<Disclosure> =
        in_force.vault(ctx)?.open_json(&context, &certificate.sealed_attributes)?;
    for attribute in released(&redemption.asked, redemption.share) {
        let value = match attribute.source() {
            // A certificate from before portraits were kept is answered without.
            Source::Picture => issuance::portrait(ctx, certificate)?.map(|portrait| portrait.value.into()),
            _ => value(attribute, &disclosures, ctx.today())?,
        };
        answer.attributes.extend(value.map(|value| (attribute, value)));
    }
    Ok(())
}

/// `None` for what is not on the holder's kind of document: a passport has no address.
fn value(attribute: Attribute, disclosures: &[Disclosure], today: Date) -> anyhow::Result<Option<Value>> {
    let stored = |name: Attribute| {
        disclosures.iter().find(|disclosure| disclosure.name == name).map(|found| found.value.as_str())
    };
    Ok(match attribute.source() {
        Source::Document | Source::Picture => stored(attribute).map(Value::from),
        Source::Masked(whole) => stored(whole).map(|whole| attribute.mask(whole).into()),
        Source::Age(years) => {
            let birth = stored(Attribute::BirthDate).context("the date of birth is missing")?;
            // Without the parser's own words: they would quote the date into a log.
            let birth = birth.parse().map_err(|_| anyhow::anyhow!("a stored date is damaged"))?;
            Some(has_reached(years, birth, today).into())
        }
    })
}

/// Of another type in the sandbox, so that nobody who expects a result takes one of a person who was not there.
fn sign_result(ctx: &Context, payer: &RelyingParty, answer: &Judged, now: Timestamp) -> Flow<String> {
    let mut claims = json!({
        "iss": ctx.public_url, "aud": payer.id, "iat": now.as_second(), "jti": answer.id,
        "sub": answer.subject, "outcome": answer.outcome, "purpose": answer.purpose,
        "assurance_level": answer.assurance_level, "attributes": answer.attributes,
    });
    if payer.sandbox
        && let Some(claims) = claims.as_object_mut()
    {
        claims.insert("sandbox".to_owned(), true.into());
    }
    let typ = if payer.sandbox { "ecert-sandbox-result+jwt" } else { "ecert-result+jwt" };
    let signer = ctx.signer.current();
    Ok(jws::sign(typ, signer.header(), &claims, signer.as_ref())?)
}
