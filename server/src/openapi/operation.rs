//! One method of one address, told by its handler's signature ([`super::signature`]) and a line of words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema as _, ToSchema};
use wallet_core::refusal::Refusal;
use wallet_core::refusal::Refusal::{IdempotencyKeyMissing, IdempotencyKeyReused, RequestInProgress};

use super::refusals::{INVALID, Said, TOO_LARGE_OR_ODD};
use super::signature::Handled;
use crate::flow::uses::Used;
use crate::roles::Act;

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Anybody,
    /// An API key.
    RelyingParty,
    /// An API key, or a terminal.
    Till,
    /// A DPoP proof by a terminal's key, and its access token.
    Terminal,
    /// A DPoP proof and an access token.
    Holder,
    /// A DPoP proof alone.
    NewDevice,
    /// An admin's session, or token.
    Admin,
    /// An admin's session.
    SignedIn,
}

/// One method of one address.
pub struct Operation {
    /// `get`, `post`, `put` or `delete`.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// The handler's name, as `redemptions_open`.
    pub id: String,
    /// In a few words.
    pub summary: &'static str,
    /// In more words.
    pub about: Option<&'static str>,
    /// Who calls.
    pub caller: Caller,
    /// What an admin does by it.
    pub act: Option<Act>,
    /// Parameter objects (OpenAPI 3.1.1 §4.8.12).
    pub parameters: Vec<Value>,
    /// A request body object (§4.8.13).
    pub body: Option<Value>,
    /// Response objects (§4.8.17) of what is no refusal, by status.
    pub answers: BTreeMap<u16, Value>,
    /// By status.
    pub refusals: BTreeMap<u16, BTreeSet<Said>>,
    /// Statuses of refusals that may come as a page.
    pub refused_on_pages: BTreeSet<u16>,
    /// What the references in here refer to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

/// A part of an upload.
pub enum Part {
    /// One picture.
    Picture(&'static str, &'static str),
    /// One picture that may be left out.
    PictureOrNone(&'static str, &'static str),
    /// A short text.
    Word(&'static str, &'static str),
    /// The parts `capture` and `frame`, and `signature` where a wallet sends it.
    Capture {
        /// Whether a wallet sends it.
        signed: bool,
    },
}

impl Operation {
    /// What the signature of its handler says.
    pub fn of<H: Handled<A>, A>(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
    ) -> Operation {
        // `ecert_server::http::redemptions::open`
        let name = std::any::type_name::<H>();
        let mut words = name.rsplit("::");
        let (handler, room) = (words.next().unwrap_or(name), words.next().unwrap_or_default());
        let mut operation = Operation::plain(method, path, format!("{room}_{handler}"), summary);
        H::describe(&mut operation);
        operation
    }

    /// With nothing said of it yet.
    pub fn plain(method: &'static str, path: &'static str, id: String, summary: &'static str) -> Operation {
        Operation {
            method,
            path,
            id,
            summary,
            about: None,
            caller: Caller::Anybody,
            act: None,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            refusals: BTreeMap::new(),
            refused_on_pages: BTreeSet::new(),
            schemas: Vec::new(),
        }
    }

    /// More about it. CommonMark.
    pub fn about(&mut self, words: &'static str) -> &mut Self {
        self.about = Some(words);
        self
    }

    /// What is refused here, beside what follows from the signature.
    pub fn refuses(&mut self, refusals: &[Refusal]) -> &mut Self {
        for refusal in refusals {
            let (status, said) = Said::of(refusal);
            self.refusals.entry(status).or_default().insert(said);
        }
        self
    }

    /// It takes an Idempotency-Key.
    pub fn keyed(&mut self) -> &mut Self {
        self.parameters.push(json!({"$ref": "#/components/parameters/IdempotencyKey"}));
        self.refuses(&[IdempotencyKeyMissing, IdempotencyKeyReused, RequestInProgress])
    }

    /// A reference to the schema of a type, which is noted down.
    pub fn reference<T: ToSchema>(&mut self) -> Value {
        let name = T::name();
        T::schemas(&mut self.schemas);
        self.schemas.push((name.to_string(), T::schema()));
        json!({"$ref": format!("#/components/schemas/{name}")})
    }

    /// It answers with this as JSON.
    pub fn answers<T: ToSchema>(&mut self, status: u16) -> &mut Self {
        let schema = self.reference::<T>();
        self.answers.insert(
            status,
            json!({
                "description": words_of(status), "content": {"application/json": {"schema": schema}},
            }),
        );
        self
    }

    /// 201, with this.
    pub fn creates<T: ToSchema>(&mut self) -> &mut Self {
        self.answers::<T>(201)
    }

    /// 201, with several of this.
    pub fn creates_list<T: ToSchema>(&mut self) -> &mut Self {
        let items = self.reference::<T>();
        let list = json!({"type": "array", "items": items});
        self.answers.insert(
            201,
            json!({
                "description": words_of(201), "content": {"application/json": {"schema": list}},
            }),
        );
        self
    }

    /// It answers with what a service found, and with its charge and receipt.
    pub fn uses<T: ToSchema>(&mut self) -> &mut Self {
        let name = format!("{}Use", T::name());
        self.reference::<T>();
        Used::<T>::schemas(&mut self.schemas);
        self.schemas.push((name.clone(), Used::<T>::schema()));
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        self.answers.insert(
            200,
            json!({
                "description": "Judged, and charged.", "content": {"application/json": {"schema": schema}},
            }),
        );
        self
    }

    /// 204, without a word.
    pub fn says_nothing(&mut self) -> &mut Self {
        self.answers.insert(204, json!({"description": words_of(204)}));
        self
    }

    /// It answers with the first of these, or with the other, under one status.
    pub fn answers_either<A: ToSchema, B: ToSchema>(&mut self, status: u16) -> &mut Self {
        let either = json!({"oneOf": [self.reference::<A>(), self.reference::<B>()]});
        self.answers.insert(
            status,
            json!({
                "description": words_of(status), "content": {"application/json": {"schema": either}},
            }),
        );
        self
    }

    /// It answers with a file of this media type; more than once for one of several.
    pub fn gives(&mut self, media_type: &str) -> &mut Self {
        let answer =
            self.answers.entry(200).or_insert_with(|| json!({"description": words_of(200), "content": {}}));
        let is_text = media_type.starts_with("text/") || media_type.ends_with("+jwt");
        let schema = if is_text { json!({"type": "string"}) } else { json!({}) };
        if let Some(content) = answer.get_mut("content").and_then(Value::as_object_mut) {
            content.insert(media_type.to_owned(), json!({"schema": schema}));
        }
        self
    }

    /// It answers with this status and these words, and with nothing in it that a program reads.
    pub fn says(&mut self, status: u16, words: &str) -> &mut Self {
        self.answers.insert(status, json!({"description": words}));
        self
    }

    /// Refusals with these statuses may come as a page.
    pub fn refuses_on_pages(&mut self, statuses: &[u16]) -> &mut Self {
        self.refused_on_pages.extend(statuses);
        self
    }

    /// It reads a body of this media type; more than once for one of several.
    pub fn takes(&mut self, media_type: &str, schema: Value) -> &mut Self {
        let body = self.body.get_or_insert_with(|| json!({"required": true, "content": {}}));
        if let Some(content) = body.get_mut("content").and_then(Value::as_object_mut) {
            content.insert(media_type.to_owned(), json!({"schema": schema}));
        }
        self.refuses(&[INVALID])
    }

    /// It reads an upload (`multipart/form-data`, RFC 7578) of these parts.
    pub fn uploads(&mut self, parts: &[Part]) -> &mut Self {
        let mut form = Form::default();
        for part in parts {
            match part {
                Part::Picture(name, about) => form.pictures(name, picture(about)),
                Part::PictureOrNone(name, about) => {
                    form.pictures(name, picture(about));
                    form.required.retain(|required| required != name);
                }
                Part::Word(name, about) => {
                    form.part(name, json!({"type": "string", "maxLength": 256, "description": about}));
                }
                Part::Capture { signed } => {
                    form.part("capture", self.reference::<wallet_core::capture::Statement>());
                    form.encoded("capture", "application/json");
                    let frame = picture("A frame, in the order of the statement");
                    form.pictures(
                        "frame",
                        json!({"type": "array", "items": frame, "minItems": 1, "maxItems": 12}),
                    );
                    if *signed {
                        let about =
                            "ES256 by the device key over exactly the bytes of `capture`: `r ‖ s`, base64url";
                        form.part(
                            "signature",
                            json!({"type": "string", "maxLength": 128, "description": about}),
                        );
                    }
                }
            }
        }
        let Form { properties, encoding, required } = form;
        let schema = json!({"type": "object", "properties": properties, "required": required});
        let form = json!({"schema": schema, "encoding": encoding});
        self.body = Some(json!({"required": true, "content": {"multipart/form-data": form}}));
        self.refuses(&TOO_LARGE_OR_ODD)
    }

    /// Adds the properties of a type as parameters of the query.
    pub fn query<T: ToSchema>(&mut self) -> &mut Self {
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        T::schemas(&mut self.schemas);
        let required = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let mut property = property.clone();
            super::schemas::without_null(&mut property);
            let about = property.as_object_mut().and_then(|members| members.remove("description"));
            let mut parameter = json!({
                "name": name, "in": "query", "required": required.contains(&json!(name)), "schema": property,
            });
            if let (Some(about), Some(members)) = (about, parameter.as_object_mut()) {
                members.insert("description".to_owned(), about);
            }
            self.parameters.push(parameter);
        }
        self.refuses(&[INVALID])
    }

    /// A header that may be sent.
    pub fn header(&mut self, name: &str, required: bool, about: &str) -> &mut Self {
        self.parameters.push(json!({
            "name": name, "in": "header", "required": required, "description": about, "schema": {"type": "string"},
        }));
        self
    }

    /// An example of what is sent.
    pub fn sent(&mut self, example: Value) -> &mut Self {
        put_example(self.body.as_mut(), example);
        self
    }

    /// An example of what comes back.
    pub fn given(&mut self, status: u16, example: Value) -> &mut Self {
        put_example(self.answers.get_mut(&status), example);
        self
    }
}

/// The parts of an upload, each of which must be there.
#[derive(Default)]
struct Form {
    properties: serde_json::Map<String, Value>,
    encoding: serde_json::Map<String, Value>,
    required: Vec<&'static str>,
}

impl Form {
    fn part(&mut self, name: &'static str, schema: Value) {
        self.properties.insert(name.to_owned(), schema);
        self.required.push(name);
    }

    fn encoded(&mut self, name: &str, media_types: &str) {
        self.encoding.insert(name.to_owned(), json!({"contentType": media_types}));
    }

    fn pictures(&mut self, name: &'static str, schema: Value) {
        self.part(name, schema);
        self.encoded(name, "image/jpeg, image/png, image/webp");
    }
}

fn picture(about: &str) -> Value {
    json!({"type": "string", "format": "binary", "description": about})
}

fn put_example(place: Option<&mut Value>, example: Value) {
    let json = place.and_then(|place| place.pointer_mut("/content/application~1json"));
    if let Some(members) = json.and_then(Value::as_object_mut) {
        members.insert("example".to_owned(), example);
    }
}

fn words_of(status: u16) -> &'static str {
    match status {
        201 => "Made.",
        202 => "Asked for: a second person is waited for.",
        204 => "Done.",
        304 => "As it was.",
        _ => "Here it is.",
    }
}
