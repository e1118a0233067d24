//! Codes: minting the 16 digits, and finding out what a submitted code stands for.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::attributes::Share;
use wallet_core::code::Code;
use wallet_core::code::numeric::{LIFETIME, NumericCode};
use wallet_core::code::qr::{Bound, UnverifiedQr};
use wallet_core::code::standing::StandingNumber;
use wallet_core::code::test_people::TestPerson;
use wallet_core::ids::{CertificateId, RedemptionId, RelyingPartyId};
use wallet_core::refusal::Refusal;

use super::callers::Device;
use super::certificates::{in_force, referred_to};
use super::{Context, later};
use crate::stop::Flow;
use crate::store::codes::{self, Minted, Spending, Spent};
use crate::store::standing_numbers::{self, Standing};
use crate::store::{certificates, revocations};

/// Sixteen digits for the holder to read out.
#[derive(Serialize, ToSchema)]
#[schema(as = NumericCode)]
pub struct NumericCodeAnswer {
    /// In four groups of four.
    pub code: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Mints digits for the device's certificate; the ones before end.
pub fn mint(ctx: &Context, device: &Device, share: Share) -> Flow<NumericCodeAnswer> {
    let now = ctx.now();
    let expires_at = later(now, LIFETIME);
    let code = ctx.holder_store.write(|conn| {
        let code = NumericCode::mint(&mut rand::rng());
        let certificate = certificates::of_device(conn, &device.jkt)?.ok_or(Refusal::NotFound)?;
        let certificate = in_force(certificate, now)?;
        let minted = Minted { certificate: certificate.id, share, expires_at };
        codes::replace(conn, &code.mac(&ctx.secrets.code), &minted)?;
        Ok(code)
    })?;
    Ok(NumericCodeAnswer { code: code.grouped(), expires_at })
}

/// A code that holds: what it stands for.
pub(super) struct Presented {
    pub(super) certificate: CertificateId,
    pub(super) share: Share,
    /// What makes the code one-time.
    code_id: Vec<u8>,
    numeric: Option<[u8; 32]>,
    /// Whether it is the number that stands: then each request is a use of its own.
    pub(super) standing: bool,
    /// Whether it is a test person's: then there is nothing to use up.
    of_test_person: bool,
}

/// Finds what a code stands for. Wrong, expired, bound to something else and signed by another key are not told apart: `None`.
pub(super) fn resolve(ctx: &Context, code: &Code, asked: &Bound, now: Timestamp) -> Flow<Option<Presented>> {
    match code {
        Code::Qr(qr) => resolve_qr(ctx, qr.as_ref().clone(), asked, now),
        Code::Numeric(digits) => resolve_numeric(ctx, digits, now),
        Code::Standing(number) => resolve_standing(ctx, number),
        // In the sandbox it never comes to this (`test_people.rs`), and nowhere else is it good for anything.
        Code::Test(_) => Ok(None),
    }
}

fn resolve_qr(ctx: &Context, qr: UnverifiedQr, asked: &Bound, now: Timestamp) -> Flow<Option<Presented>> {
    let found = ctx.rounds.handles.join(*qr.named())?;
    // An unknown handle is checked against a key all the same, so that it takes the time of a known one.
    let (certificate, key) = match found {
        Some((certificate, key)) => (Some(certificate), key),
        None => (None, ctx.signer.public_key()),
    };
    let verified = qr.verify(&key);
    let (Some(certificate), Ok(code)) = (certificate, verified) else { return Ok(None) };
    let showing = code.showing();
    if !showing.is_current(now) || !code.is_good_for(asked) {
        return Ok(None);
    }
    Ok(Some(Presented {
        certificate,
        share: showing.share,
        code_id: showing.jti.to_vec(),
        numeric: None,
        standing: false,
        of_test_person: false,
    }))
}

fn resolve_numeric(ctx: &Context, code: &NumericCode, now: Timestamp) -> Flow<Option<Presented>> {
    let mac = code.mac(&ctx.secrets.code);
    let minted = ctx.holder_store.read(|conn| Ok(codes::find(conn, &mac)?))?;
    let Some(minted) = minted.filter(|minted| now < minted.expires_at) else { return Ok(None) };
    let Minted { certificate, share, .. } = minted;
    Ok(Some(Presented {
        certificate,
        share,
        code_id: mac.to_vec(),
        numeric: Some(mac),
        standing: false,
        of_test_person: false,
    }))
}

/// A standing number stands for its holder's certificate of the moment. That it is suspended is found out as for any other code.
fn resolve_standing(ctx: &Context, number: &StandingNumber) -> Flow<Option<Presented>> {
    let mac = number.mac(&ctx.secrets.code);
    ctx.holder_store.read(|conn| {
        let Some(Standing { holder, share, .. }) = standing_numbers::find(conn, &mac)? else {
            return Ok(None);
        };
        let certificate = revocations::open_of_holder(conn, holder)?.pop();
        Ok(certificate.map(|certificate| Presented {
            certificate: certificate.id,
            share,
            code_id: Vec::new(),
            numeric: None,
            standing: true,
            of_test_person: false,
        }))
    })
}

impl Presented {
    /// Of a person who is not there.
    pub(super) fn of_test_person(person: TestPerson) -> Presented {
        Presented {
            certificate: person.certificate(),
            share: person.share(),
            code_id: Vec::new(),
            numeric: None,
            standing: false,
            of_test_person: true,
        }
    }

    /// Whether the phone made it, and not the server.
    pub(super) fn is_qr(&self) -> bool {
        self.numeric.is_none() && !self.standing && !self.of_test_person
    }

    /// What is to be noted when it is used up, for a redemption that is given its id here.
    pub(super) fn spending(&self, rp: RelyingPartyId, request_mac: Vec<u8>, now: Timestamp) -> Spending {
        let redemption = RedemptionId::new(now, &mut rand::rng());
        Spending {
            certificate: self.certificate,
            code_id: if self.standing { request_mac.clone() } else { self.code_id.clone() },
            rp,
            spent: Spent { redemption, request_mac },
            at: now,
        }
    }
}

/// Uses up a code for a redemption, whose id this gives. The same request asked again, after a crash or a lost answer, gets
/// the id that it got; any other is refused.
pub(super) fn spend(ctx: &Context, presented: &Presented, spending: Spending) -> Flow<RedemptionId> {
    if presented.of_test_person {
        return Ok(spending.spent.redemption);
    }
    if presented.is_qr() && !ctx.rounds.in_one && ctx.rounds.spends.join(spending.clone())? {
        return Ok(spending.spent.redemption);
    }
    ctx.holder_store.write_guarded(|conn| {
        if let Some(spent) = codes::spent(conn, spending.certificate, &spending.code_id)? {
            let is_ours = spent.request_mac == spending.spent.request_mac;
            return if is_ours { Ok(spent.redemption) } else { Err(Refusal::CodeAlreadyRedeemed.into()) };
        }
        in_force(referred_to(conn, spending.certificate)?, spending.at)?;
        if let Some(mac) = &presented.numeric {
            codes::spend(conn, mac)?;
        }
        codes::insert_spent(conn, &spending)?;
        Ok(spending.spent.redemption)
    })
}

/// Takes back that a QR was used up for a redemption which was not opened, since its request is to be refused after all.
pub(super) fn give_back(ctx: &Context, presented: &Presented, redemption: RedemptionId) -> Flow<()> {
    ctx.holder_store.write_guarded(|conn| {
        Ok(codes::give_back(conn, presented.certificate, &presented.code_id, redemption)?)
    })
}
