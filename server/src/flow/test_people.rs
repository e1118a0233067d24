//! Test people in use cases: what their codes stand for, who they are, and what becomes of their captures. Whoever they are met by is of the
//! sandbox, and whoever is of the sandbox meets nobody else: [`guard`] holds that where a judgement begins, whatever led there.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use wallet_core::attributes::Attribute;
use wallet_core::code::Code;
use wallet_core::code::test_people::{Face, Phone, Refused, TestPerson};
use wallet_core::document::citizen_number::check_character;
use wallet_core::ecert::{AssuranceLevel, Disclosure};
use wallet_core::face::challenge::Asked;
use wallet_core::face::{Judgement, Reason, Unusable};
use wallet_core::ids::{CertificateId, HolderId, RedemptionId};
use wallet_core::pairwise::Eid;
use wallet_core::redemption::{Cancellation, Device, Event, MAX_CAPTURES, State};
use wallet_core::refusal::Refusal;

use super::callers::RelyingParty;
use super::certificates::InForce;
use super::codes::Presented;
use super::idempotency::Idempotency;
use super::settlement::{self, Verdict};
use super::{Context, issuance, later, random};
use crate::stop::{Flow, Stop};
use crate::store::audit;
use crate::store::certificates::{Certificate, Standing};
use crate::store::redemptions::{self, Redemption};

/// When whoever is told that the verifier takes too long may come again, in seconds.
const COME_AGAIN: u32 = 5;

/// What a code stands for in the sandbox: a real one, like an unknown one, for nobody, and no table of holders is asked.
pub(super) fn presented(code: &Code) -> Flow<Option<Presented>> {
    let Code::Test(code) = code else { return Ok(None) };
    let Some(person) = code.person() else { return Ok(None) };
    match person.refused() {
        None => Ok(Some(Presented::of_test_person(person))),
        Some(Refused::Revoked) => Err(Refusal::CertificateRevoked.into()),
        Some(Refused::Suspended) => Err(Refusal::CertificateSuspended.into()),
        Some(Refused::Used) => Err(Refusal::CodeAlreadyRedeemed.into()),
    }
}

/// That the sandbox has met a test person, or somebody else a real one.
pub(super) fn guard(rp: &RelyingParty, certificate: CertificateId) -> anyhow::Result<()> {
    anyhow::ensure!(
        rp.sandbox == TestPerson::of_certificate(certificate).is_some(),
        "the sandbox and real people have met"
    );
    Ok(())
}

/// The certificate of a test person, as if it had been read: nothing of it stands in a table.
pub(super) fn in_force(ctx: &Context, person: TestPerson, read_at: Timestamp) -> Flow<InForce> {
    if person == TestPerson::RevokedMeanwhile {
        return Err(Refusal::CertificateRevoked.into());
    }
    let id = person.certificate();
    let attributes = attributes(person, ctx.today())?;
    let certificate = Certificate {
        id,
        holder: HolderId::from_bytes(id.to_bytes()),
        device_jkt: String::new(),
        device_key: ctx.signer.public_key(),
        status: (0, 0),
        assurance: AssuranceLevel::Ial2,
        sealed_attributes: ctx.vault.seal_json(&issuance::attributes_context(id), &attributes)?,
        sealed_template: Vec::new(),
        standing: Standing::Active,
        issued_at: Timestamp::UNIX_EPOCH,
        expires_at: later(read_at, SignedDuration::from_hours(24)),
    };
    let mut eid = [0; 32];
    eid.iter_mut().zip(id.to_bytes()).for_each(|(place, byte)| *place = byte);
    Ok(InForce::assumed(certificate, Eid::from_bytes(eid), read_at))
}

/// What stands on the document of a test person: the same for all but the child, whose birthday follows the calendar.
fn attributes(person: TestPerson, today: Date) -> anyhow::Result<Vec<Disclosure>> {
    let (name, birth, place) = match person {
        TestPerson::Minor => ("沙盒少年", Date::new(today.year() - 12, 1, 1)?, 17),
        _ => ("沙盒测试", Date::new(1990, 3, 7)?, 1),
    };
    let values = [
        (Attribute::Name, name.to_owned()),
        (Attribute::Sex, "男".to_owned()),
        (Attribute::Ethnicity, "汉".to_owned()),
        (Attribute::BirthDate, birth.to_string()),
        (Attribute::Address, "样本省示例市沙盒路1号".to_owned()),
        (Attribute::DocumentNumber, number(birth, place)),
    ];
    let disclosed = |(name, value)| Disclosure { name, value, salt: String::new() };
    Ok(values.into_iter().map(disclosed).collect())
}

/// A citizen number (GB 11643) of a region that there is not, 990000.
fn number(birth: Date, place: u32) -> String {
    let digits = format!("990000{}{place:03}", birth.strftime("%Y%m%d"));
    let check = check_character(&digits).unwrap_or('X');
    format!("{digits}{check}")
}

/// What a capture of a test person comes to, in a redemption that stands so.
pub(super) fn verdict(ctx: &Context, person: TestPerson, state: State) -> Flow<Verdict> {
    let earlier = match state {
        State::Challenged { unusable, .. } => unusable,
        _ => 0,
    };
    Ok(match person.face() {
        Face::TimesOut => return Err(Refusal::Overloaded { retry_after: COME_AGAIN }.into()),
        Face::IsUnusable { times } if earlier < times => match Refusal::from(Unusable::Dark) {
            Refusal::CaptureUnusable(reason) => Verdict::Unusable(reason),
            other => return Err(other.into()),
        },
        Face::Passes | Face::IsUnusable { .. } => judged(ctx, None),
        Face::IsAnother => judged(ctx, Some(Reason::FaceMismatch)),
        Face::IsNotLive => judged(ctx, Some(Reason::NotLive)),
    })
}

fn judged(ctx: &Context, reason: Option<Reason>) -> Verdict {
    let score = |failed: Reason| if reason == Some(failed) { 0.02 } else { 0.95 };
    Verdict::Judged(Judgement {
        passed: reason.is_none(),
        reasons: reason.into_iter().collect(),
        comparison_score: score(Reason::FaceMismatch),
        comparison_threshold: ctx.models.thresholds().comparison,
        comparison_models: vec!["sandbox".to_owned()],
        continuity: 0.95,
        liveness: score(Reason::NotLive),
        challenge: None,
    })
}

/// Does what the phone of a test person does when it is asked. Whatever its holder meets there is not told to who asked, as in life; asked
/// again, it goes on from where it was.
pub(super) fn answer_phone(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<()> {
    match answer(ctx, rp, id) {
        Err(Stop::Refused(_)) => Ok(()),
        answered => answered,
    }
}

fn answer(ctx: &Context, rp: &RelyingParty, id: RedemptionId) -> Flow<()> {
    let now = ctx.now();
    let find = || ctx.rp_store.read(|conn| Ok(redemptions::find(conn, id, rp.id)?.ok_or(Refusal::NotFound)?));
    let asked = find()?;
    guard(rp, asked.certificate)?;
    let Some(person) = TestPerson::of_certificate(asked.certificate) else { return Ok(()) };
    let challenge = Asked::now(asked.challenge.mode, random(), now);
    let (event, word) = match person.phone() {
        Phone::Silent => return Ok(()),
        Phone::Agrees => (Event::Agreed { until: challenge.deadline }, "agreed"),
        Phone::Refuses => (Event::Cancelled(Cancellation::Refused), "refused"),
        Phone::Reports => (Event::Cancelled(Cancellation::Reported), "reported"),
    };
    if matches!(asked.state, State::AwaitingHolder { .. }) {
        let next = asked.state.after(event, now).map_err(|_| Refusal::RedemptionClosed)?;
        ctx.rp_store.write(|conn| {
            redemptions::advance(conn, &asked, next, &challenge)?;
            Ok(audit::append(conn, rp.id, "redemption.approval", id, word, now)?)
        })?;
    }
    for _ in 0..MAX_CAPTURES {
        let redemption = find()?;
        if !redemption.state.awaits_capture_on(Device::Holder, now) {
            break;
        }
        capture(ctx, rp, person, redemption, now)?;
    }
    Ok(())
}

fn capture(
    ctx: &Context,
    rp: &RelyingParty,
    person: TestPerson,
    redemption: Redemption,
    now: Timestamp,
) -> Flow<()> {
    let certificate = in_force(ctx, person, now)?;
    let verdict = verdict(ctx, person, redemption.state)?;
    // Longer than any key that a relying party may choose, so that none of theirs is taken.
    let key = format!("capture on the phone of a test person {} {:?}", redemption.id, redemption.state);
    let lease = Idempotency::new(ctx, key, &[b"test person"]).lease(rp.id, now);
    settlement::settle(ctx, rp, &lease, redemption, certificate, verdict, now).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wallet_core::document::CitizenNumber;

    #[test]
    fn the_numbers_of_test_people_are_well_formed_and_of_no_region() {
        let today = Date::constant(2026, 11, 22);
        for person in TestPerson::ALL {
            let attributes = attributes(person, today).unwrap();
            let number = attributes.iter().find(|one| one.name == Attribute::DocumentNumber).unwrap();
            assert!(CitizenNumber::parse(&number.value).is_ok(), "{}", number.value);
            assert!(number.value.starts_with("990000"));
        }
    }
}
