//! Refusals in the description: those that say something of the occasion without it, and what each means.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};
use wallet_core::refusal::{HolderMessage, Reason, Refusal};

use crate::http::problem;

const NO_HINT: HolderMessage = HolderMessage { zh: String::new(), en: String::new() };
const NO_REASON: Reason = Reason { code: "", field: None, hint: NO_HINT };

/// A field is missing, malformed or out of range.
pub const INVALID: Refusal = Refusal::RequestInvalid { field: "", expected: String::new() };
/// The device has ended, for a new one.
pub const DEVICE_REPLACED: Refusal = Refusal::DeviceEnded { replaced: true, at: Timestamp::UNIX_EPOCH };
/// The device was ended.
pub const DEVICE_REVOKED: Refusal = Refusal::DeviceEnded { replaced: false, at: Timestamp::UNIX_EPOCH };
/// A number that is not the one shown.
pub const WRONG_NUMBER: Refusal = Refusal::NumberMismatch { left: 0 };
/// The capture can't be judged.
pub const CAPTURE_UNUSABLE: Refusal = Refusal::CaptureUnusable(NO_REASON);
/// The document can't be read.
pub const DOCUMENT_UNUSABLE: Refusal = Refusal::DocumentUnusable(NO_REASON);
/// The person is not enrolled.
pub const ENROLMENT_REFUSED: Refusal = Refusal::EnrolmentRefused(NO_REASON);
/// The enrolment is at another step.
pub const NOT_AT_THIS_STEP: Refusal = Refusal::EnrolmentNotAtThisStep { state: "" };
/// The order is at another step.
pub const ORDER_CLOSED: Refusal = Refusal::OrderClosed { state: "" };
/// Money does not go back.
pub const NO_REFUND: Refusal = Refusal::RefundNotPossible("");
/// Too often.
pub const RATE_LIMITED: Refusal = Refusal::RateLimited { retry_after: 0 };
/// Nobody we know.
pub const UNAUTHENTICATED: Refusal = Refusal::Unauthenticated { why: "" };
/// What may be wrong with any upload.
pub const TOO_LARGE_OR_ODD: [Refusal; 3] = [INVALID, Refusal::CaptureTooLarge, Refusal::MediaUnsupported];
/// What stands in the way of whatever is charged.
pub const NOT_SERVED: [Refusal; 5] = [
    Refusal::ServiceNotBought,
    Refusal::RpSuspended,
    Refusal::ArrearsSuspended,
    Refusal::CapReached,
    Refusal::TestClockAdvancing,
];

/// A code, and what it means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Said {
    /// The word of the API.
    pub code: &'static str,
    /// What it means.
    pub means: String,
}

impl Said {
    /// With the status that it has.
    pub fn of(refusal: &Refusal) -> (u16, Said) {
        let said = Said { code: refusal.code(), means: means(refusal) };
        (problem::status(refusal).as_u16(), said)
    }

    /// None of the forms that the caller takes is one that we have (406).
    pub fn not_acceptable() -> Said {
        Said { code: "not-acceptable", means: "none of the forms in `Accept` is one of ours".to_owned() }
    }
}

fn means(refusal: &Refusal) -> String {
    match refusal {
        Refusal::RequestInvalid { .. } => "`field` names what is missing, malformed or out of range",
        Refusal::EnrolmentNotAtThisStep { .. } => "it is not at this step",
        Refusal::OrderClosed { .. } => "the order is not at this step",
        Refusal::NumberMismatch { .. } => "this is not the number that the relying party shows",
        Refusal::CaptureUnusable(_) => "the capture can't be judged; `reason` says why, another may follow",
        Refusal::DocumentUnusable(_) => "the document can't be read; `reason` says why",
        Refusal::EnrolmentRefused(_) => "not, and finally; `reason` says why",
        Refusal::RateLimited { .. } => "too often; come again after `retry_after` seconds",
        Refusal::Overloaded { .. } => {
            "more work than there is room for; come again after `retry_after` seconds"
        }
        Refusal::DeviceEnded { replaced: true, .. } => "the holder moved to another phone",
        Refusal::DeviceEnded { replaced: false, .. } => "the holder ended this phone",
        Refusal::Unauthenticated { .. } => "nobody we know, or no proof of it",
        Refusal::RefundNotPossible(_) => "money does not go back: too late, or nothing is left of it",
        other => return other.detail(),
    }
    .to_owned()
}

/// What any operation may answer.
pub fn of_all() -> [(u16, Said); 3] {
    let said = |code, means: &str| Said { code, means: means.to_owned() };
    [
        (
            408,
            said("request-timeout", "the request took too long; send it again with the same Idempotency-Key"),
        ),
        (500, said("internal", "something is broken on our side; ask again with the same Idempotency-Key")),
        Said::of(&Refusal::Overloaded { retry_after: 0 }),
    ]
}

/// The response object of one status.
pub fn response(status: u16, refusals: &BTreeSet<Said>) -> Value {
    let codes: Vec<&str> = refusals.iter().map(|said| said.code).collect();
    let words: Vec<String> = refusals.iter().map(|said| format!("`{}`: {}", said.code, said.means)).collect();
    let one_of_these =
        json!({"type": "object", "required": ["code"], "properties": {"code": {"enum": codes}}});
    let schema = json!({"allOf": [{"$ref": "#/components/schemas/Problem"}, one_of_these]});
    let mut response = json!({
        "description": words.join("\n\n"), "content": {"application/problem+json": {"schema": schema}},
    });
    let header = match status {
        401 => Some(("WWW-Authenticate", "Which schemes there are (RFC 9110 §11.6.1)", "string")),
        429 | 503 => Some(("Retry-After", "Whole seconds", "integer")),
        _ => None,
    };
    if let (Some((name, about, kind)), Some(members)) = (header, response.as_object_mut()) {
        let header = json!({name: {"description": about, "schema": {"type": kind}}});
        members.insert("headers".to_owned(), header);
    }
    response
}
