//! Multipart uploads, read within bounds.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::http::header::HeaderMap;
use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wallet_core::capture::{Capture, MAX_FRAMES, MAX_STATEMENT_BYTES};
use wallet_core::jws::from_base64url;
use wallet_core::picture::MAX_BYTES;
use wallet_core::refusal::Refusal;

use super::problem::Problem;
use crate::flow::enrolments::Photographs;

/// All frames of a capture together: twelve of a phone's camera at good quality are about 6 MiB.
const MAX_CAPTURE_BYTES: usize = 24 * 1024 * 1024;
/// ES256 in base64url is 86 characters.
const MAX_SIGNATURE_BYTES: usize = 128;

/// How many uploads may be in memory at once, over all callers: an upload is taken in only with a place, and keeps it
/// until it was judged.
pub struct Uploads {
    places: Arc<Semaphore>,
    most: usize,
}

/// A place among the uploads.
pub type Place = OwnedSemaphorePermit;

impl Uploads {
    /// Room for so many.
    pub fn new(most: usize) -> Uploads {
        Uploads { places: Arc::new(Semaphore::new(most)), most }
    }

    /// How many there are now.
    pub fn in_memory(&self) -> usize {
        self.most.saturating_sub(self.places.available_permits())
    }

    /// How many there may be.
    pub fn most(&self) -> usize {
        self.most
    }

    fn place(&self) -> Result<Place, Refusal> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::Overloaded { retry_after: 1 })
    }
}

/// Photographs of a document.
pub struct Document {
    /// Of an identity card or a passport.
    pub photographs: Photographs,
    /// Kept until they were read.
    pub place: Place,
}

/// A capture, with the device's signature when a wallet took it.
pub struct SignedCapture {
    /// The frames, bound to their statement.
    pub capture: Capture,
    /// `r ‖ s`.
    pub signature: Option<Vec<u8>>,
    /// Kept until the capture was judged.
    pub place: Place,
}

impl SignedCapture {
    /// The signature, which a wallet must have given.
    pub fn by_wallet(&mut self) -> Result<Vec<u8>, Problem> {
        let expected = "a wallet signs the statement with its device key";
        self.signature.take().ok_or_else(|| invalid("signature", expected))
    }
}

fn invalid(field: &'static str, expected: impl Into<String>) -> Problem {
    Refusal::RequestInvalid { field, expected: expected.into() }.into()
}

impl From<MultipartError> for Problem {
    fn from(_: MultipartError) -> Self {
        invalid("body", "a complete multipart/form-data body")
    }
}

/// Reads the parts `front` and `back` of an identity card, or the part `passport`.
pub async fn document(uploads: &Uploads, headers: &HeaderMap, body: Multipart) -> Result<Document, Problem> {
    let Form { pictures, place, .. } =
        parts(uploads, headers, body, ["front", "back", "passport"], &[]).await?;
    let photographs = match pictures {
        [Some(front), Some(back), None] => Photographs::IdCard { front, back },
        [None, None, Some(page)] => Photographs::Passport(page),
        [.., Some(_)] => return Err(invalid("passport", "by itself, without `front` and `back`")),
        [Some(_), None, None] => return Err(missing("back")),
        [None, _, None] => return Err(missing("front")),
    };
    Ok(Document { photographs, place })
}

/// A form of pictures and words, each once.
pub struct Form<const N: usize, P = Vec<u8>> {
    /// The pictures, in the order in which they were asked for.
    pub pictures: [P; N],
    /// The words that were sent, by name.
    pub words: BTreeMap<&'static str, String>,
    /// Kept until the pictures were looked at.
    pub place: Place,
}

/// A label or an id.
const MAX_WORD_BYTES: usize = 256;

/// Reads a form: every one of `pictures` must be there, any of `words` may be.
pub async fn form<const N: usize>(
    uploads: &Uploads,
    headers: &HeaderMap,
    body: Multipart,
    pictures: [&'static str; N],
    words: &'static [&'static str],
) -> Result<Form<N>, Problem> {
    let Form { pictures: sent, words, place } = parts(uploads, headers, body, pictures, words).await?;
    if let Some((name, _)) = pictures.iter().zip(&sent).find(|(_, picture)| picture.is_none()) {
        return Err(missing(name));
    }
    Ok(Form { pictures: sent.map(Option::unwrap_or_default), words, place })
}

fn missing(picture: &'static str) -> Problem {
    invalid(picture, "a part with a picture")
}

/// Reads a form of which every part may be left out.
async fn parts<const N: usize>(
    uploads: &Uploads,
    headers: &HeaderMap,
    body: Multipart,
    pictures: [&'static str; N],
    words: &'static [&'static str],
) -> Result<Form<N, Option<Vec<u8>>>, Problem> {
    require_multipart(headers)?;
    let place = uploads.place()?;
    let mut sent: [(&'static str, Option<Vec<u8>>); N] = pictures.map(|name| (name, None));
    let mut said = BTreeMap::new();
    each_part(body, async |name, part| {
        if let Some((name, picture)) = sent.iter_mut().find(|(picture, _)| *picture == name) {
            return once(picture, name, bytes_of(part, MAX_BYTES).await?);
        }
        if let Some(name) = words.iter().find(|word| **word == name) {
            let word = String::from_utf8(bytes_of(part, MAX_WORD_BYTES).await?);
            let word = word.map_err(|_| invalid(name, "text in UTF-8"))?;
            return is_first(name, said.insert(*name, word).is_none());
        }
        let known: Vec<_> = pictures.iter().chain(words).map(|name| format!("`{name}`")).collect();
        Err(invalid("body", format!("only the parts {}", known.join(", "))))
    })
    .await?;
    Ok(Form { pictures: sent.map(|(_, picture)| picture), words: said, place })
}

fn is_first(field: &'static str, first: bool) -> Result<(), Problem> {
    if first { Ok(()) } else { Err(invalid(field, "each part once")) }
}

/// Reads the parts `capture` (the statement), `frame` (each picture, in order) and `signature`.
pub async fn capture(
    uploads: &Uploads,
    headers: &HeaderMap,
    body: Multipart,
) -> Result<SignedCapture, Problem> {
    require_multipart(headers)?;
    let place = uploads.place()?;
    let mut parts = CaptureParts::default();
    each_part(body, async |name, part| match parts.take(name, part).await? {
        None => Ok(()),
        Some(_) => Err(invalid("body", "only the parts `capture`, `frame` and `signature`")),
    })
    .await?;
    let (capture, signature) = parts.bind()?;
    Ok(SignedCapture { capture, signature, place })
}

/// A card, and the capture of a face before a camera of the relying party.
pub struct CardAndCapture {
    /// The liveness session whose challenge the capture answers.
    pub session: String,
    /// The side with the portrait.
    pub front: Vec<u8>,
    /// The side with the validity.
    pub back: Vec<u8>,
    /// The frames, bound to their statement.
    pub capture: Capture,
    /// Kept until all of it was judged.
    pub place: Place,
}

/// Reads the parts `session`, `front`, `back`, `capture` and `frame`.
pub async fn card_and_capture(
    uploads: &Uploads,
    headers: &HeaderMap,
    body: Multipart,
) -> Result<CardAndCapture, Problem> {
    require_multipart(headers)?;
    let place = uploads.place()?;
    let (mut session, mut front, mut back) = (None, None, None);
    let mut parts = CaptureParts::default();
    each_part(body, async |name, part| match name {
        "session" => once(&mut session, "session", bytes_of(part, MAX_WORD_BYTES).await?),
        "front" => once(&mut front, "front", bytes_of(part, MAX_BYTES).await?),
        "back" => once(&mut back, "back", bytes_of(part, MAX_BYTES).await?),
        _ => match parts.take(name, part).await? {
            None => Ok(()),
            Some(_) => {
                Err(invalid("body", "only the parts `session`, `front`, `back`, `capture` and `frame`"))
            }
        },
    })
    .await?;
    let missing = |field| invalid(field, "this part is missing");
    let session = session.ok_or_else(|| missing("session"))?;
    Ok(CardAndCapture {
        session: String::from_utf8(session).map_err(|_| invalid("session", "the id of a session"))?,
        front: front.ok_or_else(|| missing("front"))?,
        back: back.ok_or_else(|| missing("back"))?,
        capture: parts.bind()?.0,
        place,
    })
}

/// The parts of a capture, as they come in.
#[derive(Default)]
struct CaptureParts {
    statement: Option<Vec<u8>>,
    signature: Option<Vec<u8>>,
    frames: Vec<Vec<u8>>,
    bytes: usize,
}

impl CaptureParts {
    /// Takes a part of a capture; gives back any other.
    async fn take(&mut self, name: &str, part: Field) -> Result<Option<Field>, Problem> {
        match name {
            "capture" => {
                once(&mut self.statement, "capture", bytes_of(part, MAX_STATEMENT_BYTES).await?)?;
            }
            "signature" => {
                once(&mut self.signature, "signature", bytes_of(part, MAX_SIGNATURE_BYTES).await?)?;
            }
            "frame" if self.frames.len() < MAX_FRAMES => {
                let frame = bytes_of(part, MAX_BYTES).await?;
                self.bytes += frame.len();
                self.frames.push(frame);
                if self.bytes > MAX_CAPTURE_BYTES {
                    return Err(Refusal::CaptureTooLarge.into());
                }
            }
            "frame" => return Err(invalid("frame", format!("at most {MAX_FRAMES} frames"))),
            _ => return Ok(Some(part)),
        }
        Ok(None)
    }

    fn bind(self) -> Result<(Capture, Option<Vec<u8>>), Problem> {
        let statement =
            self.statement.ok_or_else(|| invalid("capture", "the statement about the frames is missing"))?;
        let capture = Capture::bind(statement, self.frames).map_err(|error| invalid("capture", error.0))?;
        Ok((capture, self.signature.map(decode_signature).transpose()?))
    }
}

fn decode_signature(text: Vec<u8>) -> Result<Vec<u8>, Problem> {
    let text = String::from_utf8(text).map_err(|_| invalid("signature", "base64url"))?;
    from_base64url(text.trim()).map_err(|_| invalid("signature", "base64url"))
}

fn require_multipart(headers: &HeaderMap) -> Result<(), Problem> {
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("multipart/form-data") {
        Ok(())
    } else {
        Err(Refusal::MediaUnsupported.into())
    }
}

async fn each_part(
    mut body: Multipart,
    mut take: impl AsyncFnMut(&str, Field) -> Result<(), Problem>,
) -> Result<(), Problem> {
    while let Some(part) = body.try_next().await? {
        let name = part.name().unwrap_or_default().to_owned();
        take(&name, part).await?;
    }
    Ok(())
}

fn once(place: &mut Option<Vec<u8>>, field: &'static str, bytes: Vec<u8>) -> Result<(), Problem> {
    is_first(field, place.replace(bytes).is_none())
}

async fn bytes_of(
    part: impl Stream<Item = Result<Bytes, MultipartError>>,
    most: usize,
) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    let mut part = std::pin::pin!(part);
    while let Some(chunk) = part.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() > most {
            return Err(Refusal::CaptureTooLarge.into());
        }
    }
    Ok(bytes)
}
