//! Every way the product says no: as data, with nothing broken and nothing charged. What *is* broken is an error (`Stop` in the server).

mod reason;

use jiff::Timestamp;

pub use reason::{HolderMessage, Reason};

/// A refusal. The names are those of the API's `code`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A field is missing, malformed or out of range.
    RequestInvalid {
        /// Which one.
        field: &'static str,
        /// What it should be.
        expected: String,
    },
    /// The code's letters, length or check digits are wrong.
    CodeMalformed,
    /// A request that may charge came without an Idempotency-Key.
    IdempotencyKeyMissing,
    /// Nobody we know, or no proof of it.
    Unauthenticated {
        /// What was wrong with the proof; says nothing about whether an account exists.
        why: &'static str,
    },
    /// The device was its holder's, and is no more.
    DeviceEnded {
        /// The holder has another one now; else they revoked this one.
        replaced: bool,
        /// When.
        at: Timestamp,
    },
    /// The terminal was its relying party's, and was switched off.
    TerminalRevoked,
    /// The holder has not agreed to what this request needs.
    ConsentMissing,
    /// The relying party has no such purpose.
    PurposeNotRegistered,
    /// The purpose does not cover an attribute that was asked for.
    AttributeNotAllowed,
    /// The relying party has not bought the service.
    ServiceNotBought,
    /// Only a relying party of the sandbox may do this.
    SandboxOnly,
    /// A relying party of the sandbox may not do this: it would touch real people.
    LiveOnly,
    /// The test clock is on its way to a later moment.
    TestClockAdvancing,
    /// The relying party is suspended.
    RpSuspended,
    /// A statement of the relying party is not paid, and the day of grace is over.
    ArrearsSuspended,
    /// The relying party's own limit on what is spent in a day.
    CapReached,
    /// Unknown, wrong, expired or somebody else's code: deliberately one answer.
    CodeUnknown,
    /// No such thing, or not the caller's: deliberately one answer.
    NotFound,
    /// The code was used.
    CodeAlreadyRedeemed,
    /// The same request is being worked on.
    RequestInProgress,
    /// The redemption is over (judged, cancelled, or past its deadline or its tries), or not at this step.
    RedemptionClosed,
    /// The number is not the one that the relying party shows.
    NumberMismatch {
        /// How many more may be sent.
        left: u32,
    },
    /// The liveness session is over: judged, or past its deadline or its tries.
    LivenessSessionClosed,
    /// The face group is full, or the relying party has as many groups as it may.
    FaceGroupFull,
    /// The face group's templates are of another model; it must be filled anew.
    FaceGroupOutdated,
    /// The enrolment is not at this step.
    EnrolmentNotAtThisStep {
        /// Where it is.
        state: &'static str,
    },
    /// The certificate, or the one behind the code, is revoked or expired.
    CertificateRevoked,
    /// The certificate, or the one behind the code, is suspended; it may come back.
    CertificateSuspended,
    /// Bytes or pixels above the bound.
    CaptureTooLarge,
    /// Not a picture of a kind that is accepted.
    MediaUnsupported,
    /// The capture can't be judged. Not billed; another may follow.
    CaptureUnusable(Reason),
    /// The document can't be read or does not hold together.
    DocumentUnusable(Reason),
    /// The person is not enrolled, finally.
    EnrolmentRefused(Reason),
    /// The balance does not reach.
    BalanceTooLow,
    /// The order is not at this step.
    OrderClosed {
        /// Where it is.
        state: &'static str,
    },
    /// The order's packs were used, so it can't be given back.
    OrderUsed,
    /// Less is left of the offer than is asked for.
    OfferSoldOut,
    /// Another relying party's, unknown, used, over, or for something else.
    CouponUnusable,
    /// A coupon on top of a promotion.
    CouponNotStackable,
    /// The act takes another person than the one who began it.
    SecondPersonNeeded,
    /// None of the admin's roles allows this.
    RoleMissing,
    /// The admin has to show a passkey once more, for this.
    StepUpNeeded,
    /// A page of another site sent it, or no page of ours.
    CrossSite,
    /// The act was decided, or was left undecided for too long.
    ActionDecided,
    /// The service's address is none that a passkey can be made for.
    PasskeysUnavailable,
    /// The reference is that of a payment that is known.
    PaymentKnown,
    /// The payment or refund was decided.
    PaymentDecided,
    /// The provider says something else of what it told before.
    PaymentDiffers,
    /// Money does not go back.
    RefundNotPossible(&'static str),
    /// This service sends no mails.
    MailNotOffered,
    /// The webhook is switched off.
    WebhookDisabled,
    /// The key was used before for another request: another method, path or body.
    IdempotencyKeyReused,
    /// Nothing can be printed on this installation.
    PdfUnavailable,
    /// Too often.
    RateLimited {
        /// Whole seconds after which it makes sense to come again.
        retry_after: u32,
    },
    /// More work in flight than this machine is given.
    Overloaded {
        /// Whole seconds after which it makes sense to come again.
        retry_after: u32,
    },
}

impl Refusal {
    /// The stable word of the API.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::RequestInvalid { .. } => "request-invalid",
            Refusal::CodeMalformed => "code-malformed",
            Refusal::IdempotencyKeyMissing => "idempotency-key-missing",
            Refusal::Unauthenticated { .. } => "unauthenticated",
            Refusal::DeviceEnded { replaced: true, .. } => "device-replaced",
            Refusal::DeviceEnded { replaced: false, .. } => "device-revoked",
            Refusal::TerminalRevoked => "terminal-revoked",
            Refusal::ConsentMissing => "consent-missing",
            Refusal::PurposeNotRegistered => "purpose-not-registered",
            Refusal::AttributeNotAllowed => "attribute-not-allowed",
            Refusal::ServiceNotBought => "service-not-bought",
            Refusal::SandboxOnly => "sandbox-only",
            Refusal::LiveOnly => "live-only",
            Refusal::TestClockAdvancing => "test-clock-advancing",
            Refusal::RpSuspended => "rp-suspended",
            Refusal::ArrearsSuspended => "arrears-suspended",
            Refusal::CapReached => "cap-reached",
            Refusal::CodeUnknown => "code-unknown",
            Refusal::NotFound => "not-found",
            Refusal::CodeAlreadyRedeemed => "code-already-redeemed",
            Refusal::RequestInProgress => "request-in-progress",
            Refusal::RedemptionClosed => "redemption-closed",
            Refusal::NumberMismatch { .. } => "number-mismatch",
            Refusal::LivenessSessionClosed => "liveness-session-closed",
            Refusal::FaceGroupFull => "face-group-full",
            Refusal::FaceGroupOutdated => "face-group-outdated",
            Refusal::EnrolmentNotAtThisStep { .. } => "enrolment-not-at-this-step",
            Refusal::CertificateRevoked => "certificate-revoked",
            Refusal::CertificateSuspended => "certificate-suspended",
            Refusal::CaptureTooLarge => "capture-too-large",
            Refusal::MediaUnsupported => "media-unsupported",
            Refusal::CaptureUnusable(_) => "capture-unusable",
            Refusal::DocumentUnusable(_) => "document-unusable",
            Refusal::EnrolmentRefused(_) => "enrolment-refused",
            Refusal::BalanceTooLow => "balance-too-low",
            Refusal::OrderClosed { .. } => "order-closed",
            Refusal::OrderUsed => "order-used",
            Refusal::OfferSoldOut => "offer-sold-out",
            Refusal::CouponUnusable => "coupon-unusable",
            Refusal::CouponNotStackable => "coupon-not-stackable",
            Refusal::SecondPersonNeeded => "second-person-needed",
            Refusal::RoleMissing => "role-missing",
            Refusal::StepUpNeeded => "step-up-needed",
            Refusal::CrossSite => "cross-site",
            Refusal::ActionDecided => "action-decided",
            Refusal::PasskeysUnavailable => "passkeys-unavailable",
            Refusal::PaymentKnown => "payment-known",
            Refusal::PaymentDecided => "payment-decided",
            Refusal::PaymentDiffers => "payment-differs",
            Refusal::RefundNotPossible(_) => "refund-not-possible",
            Refusal::MailNotOffered => "mail-not-offered",
            Refusal::WebhookDisabled => "webhook-disabled",
            Refusal::IdempotencyKeyReused => "idempotency-key-reused",
            Refusal::PdfUnavailable => "pdf-unavailable",
            Refusal::RateLimited { .. } => "rate-limited",
            Refusal::Overloaded { .. } => "overloaded",
        }
    }

    /// What the caller did wrong and what to do: for the developer of the client.
    pub fn detail(&self) -> String {
        match self {
            Refusal::RequestInvalid { field, expected } => format!("`{field}`: {expected}"),
            Refusal::EnrolmentNotAtThisStep { state } => format!("the enrolment is `{state}`"),
            Refusal::NumberMismatch { left } => {
                format!("this is not the number that the relying party shows; tries left: {left}")
            }
            Refusal::CaptureUnusable(reason)
            | Refusal::DocumentUnusable(reason)
            | Refusal::EnrolmentRefused(reason) => reason.hint.en.clone(),
            Refusal::RateLimited { retry_after } | Refusal::Overloaded { retry_after } => {
                format!("come again in {retry_after} s")
            }
            Refusal::DeviceEnded { at, .. } => {
                format!("this device was ended at {at}; enrol or recover anew")
            }
            Refusal::OrderClosed { state } => format!("the order is `{state}`"),
            other => other.fixed_detail().to_owned(),
        }
    }

    /// What is told of those that say nothing of the occasion; nothing of the others.
    fn fixed_detail(&self) -> &'static str {
        match self {
            Refusal::RequestInvalid { .. }
            | Refusal::EnrolmentNotAtThisStep { .. }
            | Refusal::NumberMismatch { .. }
            | Refusal::CaptureUnusable(_)
            | Refusal::DocumentUnusable(_)
            | Refusal::EnrolmentRefused(_)
            | Refusal::RateLimited { .. }
            | Refusal::Overloaded { .. }
            | Refusal::DeviceEnded { .. }
            | Refusal::OrderClosed { .. } => "",
            Refusal::Unauthenticated { why } | Refusal::RefundNotPossible(why) => why,
            Refusal::CodeMalformed => "a code is the text of the QR, or 16 digits with a valid check",
            Refusal::IdempotencyKeyMissing => {
                "send an Idempotency-Key of 1 to 64 characters, new for each operation"
            }
            Refusal::TerminalRevoked => "this terminal was switched off; activate it anew with another link",
            Refusal::ConsentMissing => {
                "the holder does not agree: to all three purposes in the text's current version, or to this relying party"
            }
            Refusal::PurposeNotRegistered => "register the purpose for this relying party first",
            Refusal::AttributeNotAllowed => "the registered purpose does not cover every attribute asked for",
            Refusal::ServiceNotBought => "the relying party has not bought this service",
            Refusal::SandboxOnly => "this is for relying parties of the sandbox, with a key `ek_test_…`",
            Refusal::LiveOnly => "this touches real people, and a sandbox does not",
            Refusal::TestClockAdvancing => "the test clock is advancing; see GET /v1/test-clock",
            Refusal::RpSuspended => "the relying party is suspended",
            Refusal::ArrearsSuspended => {
                "a statement is not paid for more than a day; GET /v1/balance says what is owed, and a payment of it resumes the service at once"
            }
            Refusal::CapReached => "a cap that the relying party set on its spending of a day is reached",
            Refusal::CodeUnknown => "the code is wrong, expired or not redeemable here",
            Refusal::NotFound => "there is nothing at this address for this caller",
            Refusal::CodeAlreadyRedeemed => "a code is redeemed once; ask for a fresh one",
            Refusal::RequestInProgress => "the same Idempotency-Key is being worked on; come again",
            Refusal::RedemptionClosed => {
                "the redemption was judged or cancelled, is past its deadline or its tries, or is not at this step"
            }
            Refusal::LivenessSessionClosed => {
                "the liveness session was judged, or is past its deadline or its tries"
            }
            Refusal::FaceGroupFull => "remove faces or groups first",
            Refusal::FaceGroupOutdated => "its templates are of a model no longer used: make a new group",
            Refusal::CertificateRevoked => "the certificate is no longer valid",
            Refusal::CertificateSuspended => "the certificate is suspended; it may become valid again",
            Refusal::CaptureTooLarge => "a picture is at most 8 MiB and 40 megapixels, a capture 24 MiB",
            Refusal::MediaUnsupported => {
                "send JPEG, PNG or WebP, 8 bits a channel, not animated, in the documented parts"
            }
            Refusal::BalanceTooLow => "the balance does not reach; top it up first",
            Refusal::OrderUsed => "units of this order were used, or a pack of it has ended",
            Refusal::OfferSoldOut => "less is left of this offer than is asked for",
            Refusal::CouponUnusable => "there is no such coupon for this offer now, or it was used",
            Refusal::CouponNotStackable => "a promotion applies already; the coupon does not go on top of it",
            Refusal::SecondPersonNeeded => "somebody else than who began it must decide",
            Refusal::RoleMissing
            | Refusal::StepUpNeeded
            | Refusal::CrossSite
            | Refusal::ActionDecided
            | Refusal::PasskeysUnavailable => self.admins_detail(),
            Refusal::PaymentKnown => "a payment with this reference was recorded before",
            Refusal::PaymentDecided => "this was decided before",
            Refusal::PaymentDiffers => "something else was told of this payment before",
            Refusal::MailNotOffered => "no mail server is set up here; fetch /v1/messages, or use a webhook",
            Refusal::WebhookDisabled => "the webhook is switched off; switch it on first (:enable)",
            Refusal::IdempotencyKeyReused => "this Idempotency-Key belongs to another request",
            Refusal::PdfUnavailable => {
                "this installation has no font to print with: its operator puts one there with `cargo xtask setup`; until then take application/json or text/csv"
            }
        }
    }

    /// The same of what only admins are told.
    fn admins_detail(&self) -> &'static str {
        match self {
            Refusal::RoleMissing => "none of your roles allows this",
            Refusal::StepUpNeeded => {
                "sign in with a passkey and show it once more (POST /v1/admin/session/step-ups), then ask again within five minutes"
            }
            Refusal::CrossSite => {
                "send it from a page of this service, with the session's csrf_token as X-CSRF-Token"
            }
            Refusal::ActionDecided => "this was decided before, or was not decided within 24 hours",
            Refusal::PasskeysUnavailable => {
                "passkeys are for a host name and not for an IP address: the operator sets --public-url to https:// and the service's name"
            }
            _ => "",
        }
    }

    /// The word that says which of several reasons it was.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Refusal::CaptureUnusable(reason)
            | Refusal::DocumentUnusable(reason)
            | Refusal::EnrolmentRefused(reason) => Some(reason.code),
            _ => None,
        }
    }

    /// What the person can do, where it is theirs to do.
    pub fn holder_message(&self) -> Option<HolderMessage> {
        match self {
            Refusal::CaptureUnusable(reason)
            | Refusal::DocumentUnusable(reason)
            | Refusal::EnrolmentRefused(reason) => Some(reason.hint.clone()),
            Refusal::CodeUnknown | Refusal::CodeAlreadyRedeemed | Refusal::CodeMalformed => {
                Some(("请出示新的电子证码", "Please show a fresh code").into())
            }
            Refusal::DeviceEnded { replaced, at } => Some(device_ended(*replaced, *at)),
            Refusal::CertificateRevoked => Some(
                ("该电子证已失效，请重新申领", "This E-cert is no longer valid; please enrol again").into(),
            ),
            Refusal::NumberMismatch { .. } => Some(HolderMessage::from((
                "数字不符：请核对对方屏幕上的数字；如果不是您本人操作，请拒绝",
                "Compare with the number on their screen; if this is not you, refuse",
            ))),
            Refusal::CertificateSuspended => Some(HolderMessage::from((
                "该电子证已被暂停使用，请联系签发机构",
                "This E-cert is suspended; please ask the issuer about it",
            ))),
            Refusal::MediaUnsupported | Refusal::CaptureTooLarge => {
                Some(("照片无法使用，请重新拍摄", "The picture can't be used; please take another").into())
            }
            Refusal::Overloaded { .. } | Refusal::RateLimited { .. } => {
                Some(("系统繁忙，请稍后再试", "The service is busy; please try again shortly").into())
            }
            _ => None,
        }
    }

    /// Whole seconds for a Retry-After, where waiting helps.
    pub fn retry_after(&self) -> Option<u32> {
        match self {
            Refusal::RateLimited { retry_after } | Refusal::Overloaded { retry_after } => Some(*retry_after),
            Refusal::RequestInProgress | Refusal::TestClockAdvancing => Some(1),
            _ => None,
        }
    }
}

/// Whoever holds the old phone learns when it was ended: that may be the first that a holder hears of it.
fn device_ended(replaced: bool, at: Timestamp) -> HolderMessage {
    let minute = at.strftime("%Y-%m-%d %H:%M UTC");
    if replaced {
        let zh = format!("您的电子证已于 {minute} 转移到另一部手机。如非本人操作，请立即持身份证件重新申领");
        let en = format!(
            "Your E-cert moved to another phone on {minute}. If that was not you, enrol anew with your document at once"
        );
        (zh, en).into()
    } else {
        let zh = format!("此手机已于 {minute} 被持有人停用");
        (zh, format!("This phone was ended by its holder on {minute}")).into()
    }
}
