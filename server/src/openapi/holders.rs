//! What a wallet calls.

use wallet_core::refusal::Refusal::{
    CertificateRevoked, CertificateSuspended, ConsentMissing, NotFound, RedemptionClosed,
};

use super::api::Api;
use super::examples;
use super::operation::Part;
use super::refusals::{
    CAPTURE_UNUSABLE, DOCUMENT_UNUSABLE, ENROLMENT_REFUSED, NOT_AT_THIS_STEP, NOT_SERVED, RATE_LIMITED,
    WRONG_NUMBER,
};
use crate::flow::codes::NumericCodeAnswer;
use crate::flow::consents::Taken;
use crate::flow::handles::Refilled;
use crate::flow::proofing::Started;
use crate::flow::recoveries::RecoveryStarted;
use crate::flow::{attestations as attestation_flow, standing_numbers as number_flow};
use crate::http::statements::Print;
use crate::http::{
    approvals, attestations, certificates, codes, consents, devices, enrolments, erasures, events, exports,
    recoveries, standing_numbers, transparency_log,
};

const FRONT: Part = Part::PictureOrNone("front", "Of an identity card, the side with the portrait");
const BACK: Part = Part::PictureOrNone("back", "Of an identity card, the side with the validity");
const PASSPORT: Part = Part::PictureOrNone("passport", "Of a passport, the page with the portrait");
const CAPTURE: Part = Part::Capture { signed: true };

pub(super) fn describe(api: &mut Api) {
    enrolment(api);
    phone(api);
    showing(api);
    answering(api);
}

fn enrolment(api: &mut Api) {
    api.noun("Enrolment", "A person proves once who they are: consent, document, face. Or comes back on a new phone, by the face alone.");
    api.post("/v1/enrolments", enrolments::start, "Begin")
        .about("With a proof by the key that the certificate will be bound to. The text to show comes from `/.well-known/ecert`; the token is good for 90 days.")
        .creates::<Started>()
        .sent(examples::enrolment())
        .given(201, examples::enrolment_started())
        .refuses(&[ConsentMissing, ENROLMENT_REFUSED]);
    api.post("/v1/enrolments/{id}/document", enrolments::submit_document, "Photograph the document")
        .about("Both sides of an identity card, or the page of a passport. JPEG, PNG or WebP, at most 8 MiB and 40 megapixels each. What was read comes back, for the holder to confirm.")
        .uploads(&[FRONT, BACK, PASSPORT])
        .given(200, examples::document_read())
        .refuses(&[DOCUMENT_UNUSABLE, CAPTURE_UNUSABLE, ENROLMENT_REFUSED, NOT_AT_THIS_STEP, RATE_LIMITED]);
    api.post("/v1/enrolments/{id}/confirmation", enrolments::confirm, "What was read is right")
        .about("Gives the challenge that the face must answer.")
        .given(200, examples::challenge())
        .refuses(&[NOT_AT_THIS_STEP, ENROLMENT_REFUSED]);
    api.post("/v1/enrolments/{id}/captures", enrolments::submit_capture, "Show the face")
        .about("Sent again by the same device within an hour of the approval, it gets the same answer.")
        .uploads(&[CAPTURE])
        .given(200, examples::issued())
        .refuses(&[CAPTURE_UNUSABLE, ENROLMENT_REFUSED, NOT_AT_THIS_STEP, RATE_LIMITED]);
    api.get("/v1/enrolments/{id}", enrolments::show, "How it stands");
    api.post("/v1/recoveries", recoveries::start, "Begin a recovery on a new phone")
        .about("The answer is the same for every number, enrolled or not.")
        .creates::<RecoveryStarted>()
        .refuses(&[ConsentMissing, ENROLMENT_REFUSED, RATE_LIMITED]);
    api.post("/v1/recoveries/{id}/captures", recoveries::submit_capture, "Show the face that was enrolled")
        .uploads(&[CAPTURE])
        .refuses(&[CAPTURE_UNUSABLE, ENROLMENT_REFUSED, NOT_AT_THIS_STEP, RATE_LIMITED]);
    api.get("/v1/recoveries/{id}", recoveries::show, "How a recovery stands");
    api.post("/v1/attestation-challenges", attestations::challenge, "A challenge for a phone's key")
        .about("For `setAttestationChallenge` when the phone makes its key; good for 10 minutes.")
        .creates::<attestation_flow::Challenge>();
}

fn phone(api: &mut Api) {
    api.noun("The holder's phone", "Tokens, phones, and what the holder was told.");
    api.post("/v1/me/token", devices::renew_token, "Renew the access token")
        .about("The token before ends when this one is first used.");
    api.get("/v1/me/devices", devices::list, "The holder's phones");
    api.delete("/v1/me/devices/{jkt}", devices::revoke, "End a phone")
        .about("Its token ends, and the certificates bound to its key are revoked.")
        .says_nothing();
    api.get("/v1/me/notices", devices::notices, "The last hundred notices, newest first");
    api.get("/v1/me/log", transparency_log::of_holder, "What was done with the holder's certificates")
        .about("Oldest first, each with its proof in the transparency log.")
        .query::<transparency_log::PageRequest>()
        .refuses(&[NotFound]);
    api.post(
        "/v1/me/certificates/{id}/revocation",
        certificates::revoke_by_holder,
        "Revoke a certificate of one's own",
    )
    .says_nothing();
    api.noun(
        "The holder's rights",
        "What was agreed to, and taking it back; a copy of what is held, and its erasure.",
    );
    api.get("/v1/me/consents", consents::list, "What the holder agreed to, and who was given what by it")
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended]);
    api.post("/v1/me/consents/withdrawals", consents::withdraw, "Take a consent back")
        .about("The relying party is told which redemptions it is about, and until when it must delete their data. It may redeem again with a new consent, unless `block` is true: then it is refused until that is lifted.")
        .creates::<Taken>()
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended, RATE_LIMITED]);
    api.delete("/v1/me/consents/blocks/{id}", consents::lift, "Refuse a relying party no more")
        .refuses(&[CertificateRevoked, CertificateSuspended])
        .says_nothing();
    api.get("/v1/me/export", exports::export, "A copy of all that is held of the holder")
        .about("A ZIP: `data.json` for machines (its `format` says which form), `index.html` to read, and the picture on the document. Five a day.")
        .query::<Print>()
        .gives("application/zip")
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended, RATE_LIMITED]);
    api.post("/v1/me/erasure", erasures::erase, "Erase all that is held of the holder")
        .about("For good: the certificate is revoked, the holder's data key destroyed, phones are ended. The receipt says what was erased, what is kept and why; this phone may ask for it again for 30 days, and for nothing else.")
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended]);
}

fn showing(api: &mut Api) {
    api.noun("Codes", "What the holder shows.");
    api.post("/v1/me/codes", codes::mint, "Sixteen digits, good once")
        .creates::<NumericCodeAnswer>()
        .sent(examples::share())
        .given(201, examples::digits())
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended]);
    api.post("/v1/me/handles", codes::refill, "A handle for each key, for QRs made without the network")
        .about("1 to 64 different P-256 public keys (SEC 1, base64url). The same keys get the same handles.")
        .creates::<Refilled>()
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended, RATE_LIMITED]);
    api.get("/v1/me/number", standing_numbers::show, "Whether there is a standing number");
    api.post("/v1/me/number", standing_numbers::make, "Make a standing number")
        .about("Shown once; it replaces the one before. It opens approvals on this phone and nothing else.")
        .creates::<number_flow::Made>()
        .sent(examples::share())
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended]);
    api.delete("/v1/me/number", standing_numbers::switch_off, "Switch the standing number off")
        .says_nothing();
}

fn answering(api: &mut Api) {
    api.noun("Uses and approvals", "Who asks, who asked, and the holder's answer on their own phone.");
    api.get(
        "/v1/me/redemptions",
        approvals::list,
        "Uses: what waits for the holder first, then newest first",
    )
    .refuses(&[NotFound]);
    api.get("/v1/me/redemptions/{id}", approvals::show, "One use");
    api.get("/v1/me/redemptions/{id}/log", approvals::log, "What was done in it, each act with its proof");
    api.get("/v1/me/events", events::listen, "What waits for the holder, as soon as it does")
        .about("Server-sent events: each is all that waits. Comments keep it open; it ends after 5 minutes at most, and is then asked for again.")
        .gives("text/event-stream")
        .refuses(&[NotFound, CertificateRevoked, CertificateSuspended]);
    api.post("/v1/me/redemptions/{id}/approval", approvals::decide, "Agree, refuse, or report")
        .about("To agree takes the two digits that the relying party shows; the third wrong number closes the approval.")
        .sent(examples::approval())
        .refuses(&[WRONG_NUMBER, RedemptionClosed, CertificateRevoked, CertificateSuspended]);
    api.post(
        "/v1/me/redemptions/{id}/captures",
        approvals::submit_capture,
        "Show the face that was agreed to",
    )
    .about("The relying party is charged. The same capture again gets the same answer.")
    .uploads(&[CAPTURE])
    .refuses(&NOT_SERVED)
    .refuses(&[CAPTURE_UNUSABLE, RedemptionClosed, CertificateRevoked, CertificateSuspended]);
}
