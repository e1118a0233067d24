//! The description as a page: noun by noun, with its schemas at the end. Without scripts; all that folds is `<details>`.

use std::fmt::Write as _;

use serde_json::Value;
use wallet_core::code::sheet::escape;

use super::API;
use super::api::Noun;
use super::operation::{Caller, Operation};
use super::refusals::Said;

pub(super) const STYLE: &str = include_str!("page.css");

/// The page. What is written into a `String` never fails.
pub(super) fn html(document: &Value) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>E-Cert: the API</title><style>{STYLE}</style></head><body>\n"
    );
    contents(&mut page);
    let about = document.pointer("/info/description").and_then(Value::as_str).unwrap_or_default();
    let _ = writeln!(
        page,
        "<main><h1>E-Cert: the API</h1><p>{}</p><p>For programs: <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1).</p>",
        inline(about)
    );
    for noun in &API.nouns {
        let _ = writeln!(
            page,
            "<section id=\"{}\"><h2>{}</h2><p>{}</p>",
            anchor(noun.name),
            escape(noun.name),
            inline(noun.about)
        );
        noun.operations.iter().for_each(|operation| one(&mut page, operation));
        page.push_str("</section>\n");
    }
    schemas(&mut page, document);
    page.push_str("</main></body></html>\n");
    page
}

fn contents(page: &mut String) {
    page.push_str("<nav aria-label=\"Contents\"><ul>");
    for Noun { name, operations, .. } in &API.nouns {
        let _ = write!(
            page,
            "<li><a href=\"#{}\">{}</a> <small>{}</small></li>",
            anchor(name),
            escape(name),
            operations.len()
        );
    }
    page.push_str("<li><a href=\"#types\">Types</a></li></ul></nav>\n");
}

fn one(page: &mut String, operation: &Operation) {
    let Operation { method, path, id, summary, about, caller, .. } = operation;
    let _ = writeln!(
        page,
        "<details id=\"{id}\"><summary><b class=\"{method}\">{}</b> <code>{}</code> <span>{}</span></summary>\n<p class=\"by\">{}</p>",
        method.to_uppercase(),
        escape(path),
        inline(summary),
        by(*caller)
    );
    if let Some(about) = about {
        let _ = writeln!(page, "<p>{}</p>", inline(about));
    }
    parameters(page, operation);
    if let Some(body) = &operation.body {
        page.push_str("<h3>Sent</h3>\n");
        content(page, body);
    }
    page.push_str("<h3>Answers</h3>\n");
    for (status, answer) in &operation.answers {
        let words = answer.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(page, "<p><b>{status}</b> {}</p>", inline(words));
        content(page, answer);
    }
    if !operation.refusals.is_empty() {
        page.push_str("<h3>Refusals</h3><dl>\n");
        let all =
            operation.refusals.iter().flat_map(|(status, said)| said.iter().map(move |said| (status, said)));
        for (status, Said { code, means }) in all {
            let _ = writeln!(page, "<dt>{status} <code>{code}</code></dt><dd>{}</dd>", inline(means));
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</details>\n");
}

fn by(caller: Caller) -> &'static str {
    match caller {
        Caller::Anybody => "Anybody",
        Caller::RelyingParty => {
            "Relying party: <code>Authorization: Bearer ek_live_…</code>, or <code>ek_test_…</code> in the sandbox"
        }
        Caller::Till => {
            "Relying party: <code>Authorization: Bearer ek_live_…</code>, or <code>ek_test_…</code> in the sandbox; or one of its terminals"
        }
        Caller::Terminal => {
            "Terminal: <code>Authorization: DPoP …</code> and a <code>DPoP</code> proof by its key"
        }
        Caller::Holder => {
            "Holder: <code>Authorization: DPoP …</code> and a <code>DPoP</code> proof by the phone's key"
        }
        Caller::NewDevice => "A phone without a token: a <code>DPoP</code> proof by its key",
        Caller::Admin => {
            "Admin: the cookie of a session, and its <code>X-CSRF-Token</code> with whatever is no GET; or <code>Authorization: Bearer ea_…</code>"
        }
        Caller::SignedIn => {
            "Admin: the cookie of a session, and its <code>X-CSRF-Token</code> with whatever is no GET"
        }
    }
}

fn parameters(page: &mut String, operation: &Operation) {
    if operation.parameters.is_empty() {
        return;
    }
    page.push_str("<h3>Parameters</h3><dl>\n");
    for parameter in &operation.parameters {
        let said = |name| parameter.get(name).and_then(Value::as_str).unwrap_or_default();
        if parameter.get("$ref").is_some() {
            page.push_str("<dt><code>Idempotency-Key</code> header</dt><dd>1 to 64 visible characters, new for each operation</dd>\n");
            continue;
        }
        let kind = parameter.get("schema").map(shape).unwrap_or_default();
        let optional = if parameter.get("required") == Some(&Value::Bool(true)) { "" } else { ", optional" };
        let (name, place, about) = (escape(said("name")), said("in"), inline(said("description")));
        let _ = writeln!(page, "<dt><code>{name}</code> {place}{optional}</dt><dd>{kind} {about}</dd>");
    }
    page.push_str("</dl>\n");
}

/// What is under each media type: its shape, and an example.
fn content(page: &mut String, of: &Value) {
    for (media_type, said) in of.get("content").and_then(Value::as_object).into_iter().flatten() {
        let _ = write!(page, "<p><code>{}</code> ", escape(media_type));
        match said.get("schema") {
            Some(schema) if schema.get("properties").is_some() => {
                page.push_str("</p>\n");
                properties(page, schema);
            }
            Some(schema) => {
                let _ = writeln!(page, "{}</p>", shape(schema));
            }
            None => page.push_str("</p>\n"),
        }
        if let Some(example) = said.get("example") {
            let text = serde_json::to_string_pretty(example).unwrap_or_default();
            let _ = writeln!(page, "<pre>{}</pre>", escape(&text));
        }
    }
}

fn schemas(page: &mut String, document: &Value) {
    page.push_str("<section id=\"types\"><h2>Types</h2>\n");
    let all = document.pointer("/components/schemas").and_then(Value::as_object);
    for (name, schema) in all.into_iter().flatten() {
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(page, "<article id=\"type-{name}\"><h3>{name}</h3><p>{}</p>", inline(about));
        if schema.get("properties").is_some() {
            properties(page, schema);
        } else {
            let _ = writeln!(page, "<p>{}</p>", shape(schema));
            let parts =
                ["oneOf", "allOf"].into_iter().filter_map(|kind| schema.get(kind)?.as_array()).flatten();
            parts.filter(|part| part.get("properties").is_some()).for_each(|part| properties(page, part));
        }
        page.push_str("</article>\n");
    }
    page.push_str("</section>\n");
}

fn properties(page: &mut String, schema: &Value) {
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    page.push_str("<dl>\n");
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let optional = if required.iter().any(|required| required == name) { "" } else { "?" };
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ = writeln!(
            page,
            "<dt><code>{}{optional}</code></dt><dd>{} {}</dd>",
            escape(name),
            shape(property),
            inline(about)
        );
    }
    page.push_str("</dl>\n");
}

/// A schema in a few words: a kind, a type's name, or the words that it may be.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        return format!("<a href=\"#type-{name}\">{name}</a>");
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        let words: Vec<String> = words
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("<code>{}</code>", escape(word)))
            .collect();
        return words.join(" · ");
    }
    for (kind, between) in [("oneOf", " or "), ("allOf", " with ")] {
        if let Some(parts) = schema.get(kind).and_then(Value::as_array) {
            return parts.iter().map(shape).collect::<Vec<_>>().join(between);
        }
    }
    match schema.get("type") {
        Some(Value::String(kind)) if kind == "array" => {
            format!("list of {}", schema.get("items").map(shape).unwrap_or_default())
        }
        Some(Value::String(kind)) => {
            let format = schema
                .get("format")
                .and_then(Value::as_str)
                .filter(|format| format.starts_with("date") || *format == "binary");
            let pattern = schema.get("pattern").and_then(Value::as_str);
            let pattern =
                pattern.map(|pattern| format!(" <code>{}</code>", escape(pattern))).unwrap_or_default();
            format!("<i>{}</i>{pattern}", escape(format.unwrap_or(kind)))
        }
        Some(Value::Array(kinds)) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            format!("<i>{}</i>", kinds.join(" or "))
        }
        _ => "<i>anything</i>".to_owned(),
    }
}

/// CommonMark's `code` alone; all else as it is.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(
            |(place, part)| {
                if place % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) }
            },
        )
        .collect()
}

fn anchor(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter_map(|char| match char {
            ' ' => Some('-'),
            _ => char.is_alphanumeric().then_some(char),
        })
        .collect()
}
