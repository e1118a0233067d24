//! The API, described: `GET /openapi.json` (OpenAPI 3.1) and `GET /docs`, a page made of it.
//!
//! What stands on the wire is described by the types that serde reads and writes (`ToSchema` beside `Serialize`), who calls and what is
//! sent by the signatures of the handlers ([`signature`]), and what remains to be said (in a few words what it does, what may be refused)
//! by a line for each operation, in a file for each kind of caller. A story holds this to the route table, and all stories hold what the
//! service answers to this.

mod admins;
mod anybody;
pub mod api;
mod buying;
mod examples;
mod holders;
pub mod operation;
mod page;
mod redemptions;
pub mod refusals;
pub mod schemas;
pub mod serve;
mod services;
mod signature;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::{PartialSchema as _, ToSchema as _};

use api::Api;
use operation::{Caller, Operation};
use refusals::Said;

use crate::http::problem;

const ABOUT: &str = "An identity wallet: a person proves once who they are, shows a code, and is verified by face on every use. \
     Ids are prefixed ULIDs, times RFC 3339 in UTC, money whole millionths: `{\"currency\": \"CNY\", \"micros\": 1000000}`. Every refusal is \
     `application/problem+json` (RFC 9457) with a stable `code`; nothing is ever charged with one. Whatever may charge takes an \
     `Idempotency-Key`: the same key with the same request gets the stored answer.";

/// All that the service can be asked, in the order of the page.
pub static API: LazyLock<Api> = LazyLock::new(|| {
    let mut api = Api::default();
    holders::describe(&mut api);
    redemptions::describe(&mut api);
    services::describe(&mut api);
    buying::describe(&mut api);
    admins::describe(&mut api);
    anybody::describe(&mut api);
    api
});

/// The document (OpenAPI 3.1.1).
///
/// # Errors
/// Names that two different types have: `#[schema(as = …)]` tells them apart.
pub fn document() -> Result<Value, Vec<String>> {
    let api = &*API;
    let mut found: Vec<_> =
        api.operations().flat_map(|operation| operation.schemas.iter().cloned()).collect();
    found.push((problem::Body::name().to_string(), problem::Body::schema()));
    problem::Body::schemas(&mut found);
    let mut paths: Map<String, Value> = Map::new();
    for noun in &api.nouns {
        for operation in &noun.operations {
            let item = paths.entry(operation.path).or_insert_with(|| json!({}));
            if let Some(item) = item.as_object_mut() {
                item.insert(operation.method.to_owned(), described(operation, noun.name));
            }
        }
    }
    let tags: Vec<Value> =
        api.nouns.iter().map(|noun| json!({"name": noun.name, "description": noun.about})).collect();
    Ok(json!({
        "openapi": "3.1.1",
        "info": {"title": "E-Cert", "version": env!("CARGO_PKG_VERSION"), "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas::components(found)?,
            "parameters": {"IdempotencyKey": idempotency_key()},
            "responses": shared_responses(),
            "securitySchemes": security_schemes(),
        },
    }))
}

/// The operation object (§4.8.10).
fn described(operation: &Operation, noun: &str) -> Value {
    let mut responses: Map<String, Value> =
        operation.answers.iter().map(|(status, answer)| (status.to_string(), answer.clone())).collect();
    for (status, codes) in &operation.refusals {
        let mut response = match shared_name(operation, *status, codes) {
            Some(name) => json!({"$ref": format!("#/components/responses/{name}")}),
            None => refusals::response(*status, codes),
        };
        let content = response.get_mut("content").and_then(Value::as_object_mut);
        if let Some(content) = content.filter(|_| operation.refused_on_pages.contains(status)) {
            content.insert("text/html".to_owned(), json!({"schema": {"type": "string"}}));
        }
        responses.insert(status.to_string(), response);
    }
    for (status, said) in refusals::of_all() {
        let reference = json!({"$ref": format!("#/components/responses/{}", said.code)});
        responses.entry(status.to_string()).or_insert(reference);
    }
    let mut described = json!({
        "operationId": operation.id,
        "tags": [noun],
        "summary": operation.summary,
        "responses": responses,
        "security": security(operation),
    });
    if let Some(members) = described.as_object_mut() {
        if let Some(about) = operation.about {
            members.insert("description".to_owned(), json!(about));
        }
        if !operation.parameters.is_empty() {
            members.insert("parameters".to_owned(), json!(operation.parameters));
        }
        if let Some(body) = &operation.body {
            members.insert("requestBody".to_owned(), body.clone());
        }
    }
    described
}

fn security(operation: &Operation) -> Value {
    let reads = operation.method == "get";
    match operation.caller {
        Caller::Anybody => json!([]),
        Caller::RelyingParty => json!([{"apiKey": []}]),
        Caller::Till => json!([{"apiKey": []}, {"terminalToken": [], "dpop": []}]),
        Caller::Terminal => json!([{"terminalToken": [], "dpop": []}]),
        Caller::Holder => json!([{"accessToken": [], "dpop": []}]),
        Caller::NewDevice => json!([{"dpop": []}]),
        Caller::Admin if reads => json!([{"adminToken": []}, {"adminSession": []}]),
        Caller::Admin => json!([{"adminToken": []}, {"adminSession": [], "csrf": []}]),
        Caller::SignedIn if reads => json!([{"adminSession": []}]),
        Caller::SignedIn => json!([{"adminSession": [], "csrf": []}]),
    }
}

fn security_schemes() -> Value {
    json!({
        "apiKey": {"type": "http", "scheme": "bearer", "description": "A relying party's key: `ek_live_…`, or `ek_test_…` in the sandbox."},
        "adminToken": {"type": "http", "scheme": "bearer", "description": "An admin's token, `ea_…`: `ecert admin add` makes one, with roles and an end."},
        "adminSession": {"type": "apiKey", "in": "cookie", "name": "__Host-ecert-admin", "description": "An admin's session, which a passkey began: `POST /v1/admin/sign-ins`."},
        "csrf": {"type": "apiKey", "in": "header", "name": "X-CSRF-Token", "description": "The session's `csrf_token`, with whatever is no GET."},
        "accessToken": {"type": "http", "scheme": "dpop", "description": "`Authorization: DPoP …` with the holder's access token (RFC 9449 §7.1)."},
        "terminalToken": {"type": "http", "scheme": "dpop", "description": "`Authorization: DPoP …` with a terminal's access token."},
        "dpop": {
            "type": "apiKey", "in": "header", "name": "DPoP",
            "description": "A proof by the phone's P-256 key, new for each request (RFC 9449 §4.2): `htm`, `htu`, `iat` within 60 s, `jti` once, and `ath` beside an access token.",
        },
    })
}

fn idempotency_key() -> Value {
    json!({
        "name": "Idempotency-Key", "in": "header", "required": true,
        "description": "New for each operation. The same key with the same request gets the stored answer, for 72 h.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[\\x21-\\x7e]{1,64}$"},
        "example": "4b0a6f0e-7a4e-4a3c-9a63-2f4f5f3b1c11",
    })
}

/// A few codes under a status are the same in many places, and then stand in one; their names say which they are.
fn shared_name(operation: &Operation, status: u16, codes: &BTreeSet<Said>) -> Option<String> {
    let is_shared = codes.len() <= 3 && !operation.refused_on_pages.contains(&status);
    let codes: Vec<&str> = codes.iter().map(|said| said.code).collect();
    is_shared.then(|| codes.join("."))
}

fn shared_responses() -> Map<String, Value> {
    let of_all = refusals::of_all()
        .into_iter()
        .map(|(status, said)| (said.code.to_owned(), refusals::response(status, &[said].into())));
    let of_some = API.operations().flat_map(|operation| {
        operation.refusals.iter().filter_map(move |(status, codes)| {
            Some((shared_name(operation, *status, codes)?, refusals::response(*status, codes)))
        })
    });
    of_all.chain(of_some).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every `$ref` in a value.
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn no_two_types_have_one_name_and_each_reference_leads_somewhere() {
        let document = document().unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 300, "{}", found.len());
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }

    #[test]
    fn every_operation_has_a_name_of_its_own_an_answer_and_no_parameter_too_few() {
        let mut names: Vec<&str> = API.operations().map(|operation| operation.id.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len(), "{names:?}");
        for operation in API.operations() {
            assert!(!operation.answers.is_empty(), "{} says nothing of its answer", operation.id);
            let in_path = operation.parameters.iter().filter(|parameter| parameter["in"] == "path").count();
            assert_eq!(in_path, operation.path.matches('{').count(), "{}", operation.path);
        }
    }
}
