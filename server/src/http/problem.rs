//! RFC 9457 problem details. The one place where a refusal gets an HTTP status.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::error::JsonPayloadError;
use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;
use wallet_core::refusal::{HolderMessage, Refusal};

use crate::stop::Stop;

/// The answer to a method that an address does not have.
pub async fn wrong_method() -> Result<HttpResponse, Problem> {
    Err(Problem::wrong_method())
}

/// The answer where there is no address.
pub async fn no_route() -> Result<HttpResponse, Problem> {
    Err(Refusal::NotFound.into())
}

/// The answer to a body that is not the JSON that was asked for.
pub fn of_json(error: &JsonPayloadError) -> Problem {
    let expected = match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            "at most 16 KiB of JSON".to_owned()
        }
        JsonPayloadError::ContentType => "the content type application/json".to_owned(),
        // serde's own words may quote a value; where it is says enough.
        JsonPayloadError::Deserialize(error) => {
            format!("JSON of the documented form (line {}, column {})", error.line(), error.column())
        }
        _ => "a complete JSON body".to_owned(),
    };
    Refusal::RequestInvalid { field: "body", expected }.into()
}

/// The answer to a query that is not the one that was asked for.
pub fn of_query() -> Problem {
    let expected = "the documented parameters, and no others".to_owned();
    Refusal::RequestInvalid { field: "query", expected }.into()
}

/// The answer to an address with something in it that is no id.
pub fn of_path() -> Problem {
    Refusal::NotFound.into()
}

/// What is answered when something can't be done.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    body: Box<Body>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct Body {
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    code: &'static str,
    /// `false`: nothing was charged. Absent where that is not known, and the same Idempotency-Key will tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    billable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    holder_message: Option<HolderMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<String>,
}

/// The status of each refusal. No wildcard: a new refusal does not compile until it has its place here.
pub(crate) fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::RequestInvalid { .. } | Refusal::CodeMalformed | Refusal::IdempotencyKeyMissing => {
            StatusCode::BAD_REQUEST
        }
        Refusal::Unauthenticated { .. } | Refusal::DeviceEnded { .. } | Refusal::TerminalRevoked => {
            StatusCode::UNAUTHORIZED
        }
        Refusal::ConsentMissing
        | Refusal::PurposeNotRegistered
        | Refusal::AttributeNotAllowed
        | Refusal::ServiceNotBought
        | Refusal::RpSuspended
        | Refusal::SandboxOnly
        | Refusal::LiveOnly
        | Refusal::SecondPersonNeeded
        | Refusal::RoleMissing
        | Refusal::StepUpNeeded
        | Refusal::CrossSite
        | Refusal::CertificateSuspended => StatusCode::FORBIDDEN,
        Refusal::ArrearsSuspended | Refusal::CapReached | Refusal::BalanceTooLow => {
            StatusCode::PAYMENT_REQUIRED
        }
        Refusal::CodeUnknown | Refusal::NotFound => StatusCode::NOT_FOUND,
        Refusal::CodeAlreadyRedeemed
        | Refusal::RequestInProgress
        | Refusal::TestClockAdvancing
        | Refusal::RedemptionClosed
        | Refusal::LivenessSessionClosed
        | Refusal::FaceGroupFull
        | Refusal::FaceGroupOutdated
        | Refusal::OrderClosed { .. }
        | Refusal::OrderUsed
        | Refusal::OfferSoldOut
        | Refusal::CouponUnusable
        | Refusal::CouponNotStackable
        | Refusal::PaymentKnown
        | Refusal::PaymentDecided
        | Refusal::ActionDecided
        | Refusal::PaymentDiffers
        | Refusal::RefundNotPossible(_)
        | Refusal::WebhookDisabled
        | Refusal::EnrolmentNotAtThisStep { .. } => StatusCode::CONFLICT,
        Refusal::CertificateRevoked => StatusCode::GONE,
        Refusal::CaptureTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::MediaUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::CaptureUnusable(_)
        | Refusal::DocumentUnusable(_)
        | Refusal::EnrolmentRefused(_)
        | Refusal::NumberMismatch { .. }
        | Refusal::IdempotencyKeyReused => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::PdfUnavailable | Refusal::PasskeysUnavailable => StatusCode::NOT_IMPLEMENTED,
        Refusal::Overloaded { .. } => StatusCode::SERVICE_UNAVAILABLE,
        Refusal::MailNotOffered => StatusCode::NOT_IMPLEMENTED,
    }
}

impl Problem {
    /// A malfunction: logged here in full, told to the caller as "internal" only.
    pub fn internal(what: impl fmt::Display) -> Problem {
        tracing::error!(error = %what, "malfunction");
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let detail = "something is broken on our side; ask again with the same Idempotency-Key".to_owned();
        Problem::new(status, "internal", detail).with_unknown_outcome()
    }

    /// The address has another method.
    pub fn wrong_method() -> Problem {
        let detail = "this address has another method".to_owned();
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
    }

    /// None of the forms that the caller takes is one that we have.
    pub fn not_acceptable(forms: &str) -> Problem {
        Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", format!("accept one of {forms}"))
    }

    /// The request took longer than any is given.
    pub fn too_slow() -> Problem {
        let detail = "the request took too long; send it again with the same Idempotency-Key".to_owned();
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request-timeout", detail).with_unknown_outcome()
    }

    fn with_unknown_outcome(mut self) -> Problem {
        self.body.billable = None;
        self
    }

    /// Adds the receipt of an attempt that was not judgeable.
    pub fn with_receipt(mut self, receipt: String) -> Problem {
        self.body.receipt = Some(receipt);
        self
    }

    /// A capture that could not be judged, from the answer kept under its key.
    pub fn unusable(reason: String, hint: HolderMessage) -> Problem {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        let mut problem = Problem::new(status, "capture-unusable", hint.en.clone());
        problem.body.reason = Some(reason);
        problem.body.holder_message = Some(hint);
        problem
    }

    /// The API's word for it.
    pub fn code(&self) -> &'static str {
        self.body.code
    }

    fn new(status: StatusCode, code: &'static str, detail: String) -> Problem {
        let body = Body {
            r#type: format!("urn:ecert:problem:{code}"),
            title: code.replace('-', " "),
            status: status.as_u16(),
            detail,
            code,
            billable: Some(false),
            reason: None,
            field: None,
            retry_after: None,
            holder_message: None,
            receipt: None,
        };
        Problem { status, body: Box::new(body) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let mut problem = Problem::new(status(&refusal), refusal.code(), refusal.detail());
        problem.body.reason = refusal.reason().map(str::to_owned);
        problem.body.retry_after = refusal.retry_after();
        problem.body.holder_message = refusal.holder_message();
        problem.body.field = match &refusal {
            Refusal::RequestInvalid { field, .. } => Some(field),
            Refusal::DocumentUnusable(reason) => reason.field,
            _ => None,
        };
        problem
    }
}

impl From<Stop> for Problem {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => refusal.into(),
            Stop::Broken(error) => Problem::internal(format_args!("{error:#}")),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.body.code)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.status
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut answer = HttpResponse::build(self.status);
        answer.content_type("application/problem+json");
        if let Some(seconds) = self.body.retry_after {
            answer.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110 §11.6.1 wants a challenge; which scheme fits depends on the route, so both are named.
            answer.insert_header((WWW_AUTHENTICATE, "Bearer, DPoP algs=\"ES256\""));
        }
        answer.json(&self.body)
    }
}
