//! Schemas as the types give them, made what serde really reads and writes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

/// Properties that are a text in the code and one of these words on the wire.
const WORDS: [(&str, &str, &[&str]); 19] = [
    ("JudgedRedemption", "outcome", &["passed", "failed"]),
    ("HolderJudgement", "outcome", &["passed", "failed"]),
    ("Redemption", "state", &["challenged", "awaiting_holder", "cancelled", "expired"]),
    ("Redemption", "cancelled_by", &["relying_party", "holder"]),
    ("ApprovalAnswer", "state", &["challenged", "cancelled"]),
    ("Use", "capture", &["holder", "rp"]),
    (
        "Enrolment",
        "state",
        &["started", "document_read", "face_checked", "approved", "referred", "refused", "expired"],
    ),
    ("Device", "state", &["active", "replaced", "revoked"]),
    ("Certificate", "state", &["active", "suspended", "revoked", "superseded"]),
    ("Sponsorship", "state", &["open", "used", "expired", "revoked"]),
    ("LivenessSession", "state", &["challenged", "passed", "failed", "expired"]),
    ("Order", "state", &["placed", "fulfilled", "expired", "sold_out", "cancelled", "withdrawn"]),
    ("Account", "standing", &["clear", "in_arrears", "suspended"]),
    ("Statement", "state", &["owed", "late_fee_owed", "settled"]),
    ("Payment", "state", &["recorded", "credited", "rejected"]),
    ("Refund", "state", &["requested", "approved", "rejected"]),
    ("TestClock", "state", &["real", "ready", "advancing"]),
    (
        "AdminAction",
        "kind",
        &[
            "certificates.revoke",
            "sponsorships.revoke",
            "prices.announce",
            "admin.invite",
            "admin.roles",
            "admin.end",
        ],
    ),
    ("AdminAction", "state", &["requested", "approved", "done", "failed", "rejected", "expired"]),
];

/// The components of the document. The second of two schemas of one name, if they differ, is an error.
///
/// # Errors
/// The names that two types have.
pub fn components(found: Vec<(String, RefOr<Schema>)>) -> Result<Map<String, Value>, Vec<String>> {
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    let mut twice = Vec::new();
    for (name, schema) in found {
        let schema = serde_json::to_value(schema).unwrap_or_default();
        if let Some(before) = schemas.insert(name.clone(), schema.clone())
            && before != schema
        {
            twice.push(name);
        }
    }
    if !twice.is_empty() {
        return Err(twice);
    }
    let mut schemas: Map<String, Value> = schemas.into_iter().collect();
    schemas.values_mut().for_each(tidy);
    for (name, property, words) in WORDS {
        let property =
            schemas.get_mut(name).and_then(|schema| schema.pointer_mut(&format!("/properties/{property}")));
        if let Some(members) = property.and_then(Value::as_object_mut) {
            members.insert("enum".to_owned(), json!(words));
        }
    }
    Ok(schemas)
}

/// What serde leaves out is absent, never null; and words of a docstring are words of a paragraph.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(tidy);
            if let Some(Value::String(about)) = members.get_mut("description") {
                *about = paragraph(about);
            }
            let required = members.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
            if let Some(Value::Object(properties)) = members.get_mut("properties") {
                for (name, property) in properties {
                    if !required.contains(&json!(name)) {
                        without_null(property);
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// The lines of a docstring as one, and its references to code as code.
fn paragraph(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").replace("[`", "`").replace("`]", "`").replace("super::", "")
}

/// The schema without `null` among what it allows.
pub fn without_null(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    if let Some(Value::Array(kinds)) = members.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            let kind = kind.clone();
            members.insert("type".to_owned(), kind);
        }
    }
    if let Some(Value::Array(kinds)) = members.get_mut("oneOf") {
        kinds.retain(|kind| *kind != json!({"type": "null"}));
        if let [Value::Object(only)] = kinds.as_slice() {
            let only = only.clone();
            members.remove("oneOf");
            // What stands beside the type (the description of the property) goes before what the type says of itself.
            for (name, value) in only {
                members.entry(name).or_insert(value);
            }
        }
    }
}
