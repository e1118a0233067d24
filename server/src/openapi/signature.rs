//! What the signature of a handler says of its operation: who calls, what is sent, what comes back. A handler and its description can't
//! say different things of these.

use std::future::Future;

use actix_multipart::Multipart;
use actix_web::web::{Bytes, Data, Json, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use utoipa::{PartialSchema, ToSchema};
use wallet_core::ids::{
    AdminActionId, AdminId, ApiKeyId, CeremonyId, CertificateId, ChargeId, ContactId, DeliveryId,
    EnrolmentId, FaceGroupId, GroupFaceId, HolderId, LivenessSessionId, OrderId, PaymentId, RedemptionId,
    RelyingPartyId, SponsorshipId, TerminalId, WebhookId, WithdrawalId,
};
use wallet_core::refusal::Refusal::{
    CrossSite, NotFound, RoleMissing, StepUpNeeded, TerminalRevoked, Unauthenticated,
};

use super::operation::{Caller, Operation};
use super::refusals::{DEVICE_REPLACED, DEVICE_REVOKED, RATE_LIMITED};
use crate::flow::admin_actions::Decided;
use crate::http::apps::{APPS, AppName};
use crate::http::browsers::OwnPage;
use crate::http::callers::{
    Admin, By, Holder, HolderOrErased, NewDevice, RelyingParty, SignedIn, Terminal, Till,
};
use crate::roles::Permission;

/// A handler with these arguments.
pub trait Handled<Arguments> {
    /// Tells what its signature says.
    fn describe(operation: &mut Operation);
}

/// An argument of a handler.
pub trait Taken {
    /// Tells what it says.
    fn describe(operation: &mut Operation);
}

/// What a handler answers.
pub trait Answered {
    /// Tells what it says.
    fn describe(operation: &mut Operation);
}

macro_rules! handled {
    ($($argument:ident)*) => {
        impl<H, F, $($argument),*> Handled<($($argument,)*)> for H
        where
            H: Fn($($argument),*) -> F,
            F: Future,
            F::Output: Answered,
            $($argument: Taken,)*
        {
            fn describe(operation: &mut Operation) {
                $($argument::describe(operation);)*
                F::Output::describe(operation);
            }
        }
    };
}

handled!();
handled!(A);
handled!(A B);
handled!(A B C);
handled!(A B C D);

/// What says nothing to who calls.
macro_rules! silent {
    ($($name:ty),*) => {$(
        impl Taken for $name {
            fn describe(_: &mut Operation) {}
        }
    )*};
}

silent!(HttpRequest, Multipart, Payload, Bytes, ());

impl<T> Taken for Data<T> {
    fn describe(_: &mut Operation) {}
}

impl<C: Taken, B: Taken> Taken for By<C, B> {
    fn describe(operation: &mut Operation) {
        C::describe(operation);
        B::describe(operation);
    }
}

impl<A: Taken, B: Taken> Taken for (A, B) {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
    }
}

impl<A: Taken, B: Taken, C: Taken> Taken for (A, B, C) {
    fn describe(operation: &mut Operation) {
        A::describe(operation);
        B::describe(operation);
        C::describe(operation);
    }
}

fn by(operation: &mut Operation, caller: Caller) {
    operation.caller = caller;
    operation.refuses(&[Unauthenticated { why: "" }]);
    match caller {
        Caller::Holder => _ = operation.refuses(&[DEVICE_REPLACED, DEVICE_REVOKED]),
        Caller::Terminal | Caller::Till => _ = operation.refuses(&[TerminalRevoked]),
        _ => {}
    }
}

impl Taken for RelyingParty {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::RelyingParty);
    }
}

impl<A: Permission> Taken for Admin<A> {
    fn describe(operation: &mut Operation) {
        let policy = A::ACT.policy();
        operation.act = Some(A::ACT);
        by(operation, if policy.step_up { Caller::SignedIn } else { Caller::Admin });
        operation.refuses(&[RoleMissing, CrossSite]);
        if policy.step_up {
            operation.refuses(&[StepUpNeeded]);
        }
        if policy.second_person {
            operation.refuses(&[RATE_LIMITED]).answers::<Decided>(202);
        }
    }
}

impl Taken for SignedIn {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::SignedIn);
        operation.refuses(&[CrossSite]);
    }
}

impl Taken for OwnPage {
    fn describe(operation: &mut Operation) {
        operation.refuses(&[CrossSite]);
    }
}

impl Taken for Holder {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::Holder);
    }
}

impl Taken for HolderOrErased {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::Holder);
    }
}

impl Taken for Terminal {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::Terminal);
    }
}

impl Taken for Till {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::Till);
    }
}

impl Taken for NewDevice {
    fn describe(operation: &mut Operation) {
        by(operation, Caller::NewDevice);
    }
}

impl<T: ToSchema> Taken for Json<T> {
    fn describe(operation: &mut Operation) {
        let schema = operation.reference::<T>();
        operation.takes("application/json", schema);
    }
}

impl<T: ToSchema> Taken for Query<T> {
    fn describe(operation: &mut Operation) {
        operation.query::<T>();
    }
}

impl<T: ToSchema> Taken for Option<Query<T>> {
    fn describe(operation: &mut Operation) {
        operation.query::<T>();
        // What can't be read is as if it were not there.
        operation.refusals.clear();
    }
}

/// What stands in a path, in the order of the path.
pub trait InPath {
    /// Their schemas.
    fn schemas(operation: &mut Operation) -> Vec<Value>;
}

/// Ids in paths. One of a new kind is added here.
macro_rules! ids {
    ($($id:ty),*) => {$(
        impl InPath for $id {
            fn schemas(operation: &mut Operation) -> Vec<Value> {
                vec![operation.reference::<$id>()]
            }
        }
    )*};
}

ids!(AdminActionId, AdminId, CeremonyId);
ids!(
    ApiKeyId,
    CertificateId,
    ChargeId,
    ContactId,
    DeliveryId,
    EnrolmentId,
    FaceGroupId,
    GroupFaceId,
    HolderId
);
ids!(LivenessSessionId, OrderId, PaymentId, RedemptionId, RelyingPartyId, SponsorshipId, TerminalId);
ids!(WebhookId, WithdrawalId);

impl InPath for String {
    fn schemas(_: &mut Operation) -> Vec<Value> {
        // One segment, that no client takes for a way up.
        vec![json!({"type": "string", "pattern": "^[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,63}$"})]
    }
}

impl InPath for AppName {
    fn schemas(_: &mut Operation) -> Vec<Value> {
        vec![json!({"type": "string", "enum": APPS})]
    }
}

impl InPath for i64 {
    fn schemas(_: &mut Operation) -> Vec<Value> {
        vec![serde_json::to_value(i64::schema()).unwrap_or_default()]
    }
}

impl<A: InPath, B: InPath> InPath for (A, B) {
    fn schemas(operation: &mut Operation) -> Vec<Value> {
        [A::schemas(operation), B::schemas(operation)].concat()
    }
}

impl<T: InPath> Taken for Path<T> {
    fn describe(operation: &mut Operation) {
        let names = operation.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let schemas = T::schemas(operation);
        let parameter =
            |(name, schema)| json!({"name": name, "in": "path", "required": true, "schema": schema});
        operation.parameters.extend(names.zip(schemas).map(parameter));
        operation.refuses(&[NotFound]);
    }
}

impl<T: ToSchema> Answered for Json<T> {
    fn describe(operation: &mut Operation) {
        operation.answers::<T>(200);
    }
}

/// What it is then has to be said.
impl Answered for HttpResponse {
    fn describe(_: &mut Operation) {}
}

impl<T: Answered, E> Answered for Result<T, E> {
    fn describe(operation: &mut Operation) {
        T::describe(operation);
    }
}
