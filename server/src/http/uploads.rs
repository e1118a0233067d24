//! Multipart uploads, read within bounds.

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

/// Both sides of a document.
pub struct Document {
    /// The side with the portrait.
    pub front: Vec<u8>,
    /// The side with the validity.
    pub back: Vec<u8>,
    /// Kept until both were read.
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

fn invalid(field: &'static str, expected: impl Into<String>) -> Problem {
    Refusal::RequestInvalid { field, expected: expected.into() }.into()
}

impl From<MultipartError> for Problem {
    fn from(_: MultipartError) -> Self {
        invalid("body", "a complete multipart/form-data body")
    }
}

/// Reads the parts `front` and `back`.
pub async fn document(uploads: &Uploads, headers: &HeaderMap, body: Multipart) -> Result<Document, Problem> {
    require_multipart(headers)?;
    let place = uploads.place()?;
    let (mut front, mut back) = (None, None);
    each_part(body, async |name, part| {
        let side = match name {
            "front" => &mut front,
            "back" => &mut back,
            _ => return Err(invalid("body", "only the parts `front` and `back`")),
        };
        once(side, "body", bytes_of(part, MAX_BYTES).await?)
    })
    .await?;
    match (front, back) {
        (Some(front), Some(back)) => Ok(Document { front, back, place }),
        (None, _) => Err(invalid("front", "the part with the portrait side is missing")),
        (_, None) => Err(invalid("back", "the part with the back is missing")),
    }
}

/// Reads the parts `capture` (the statement), `frame` (each picture, in order) and `signature`.
pub async fn capture(
    uploads: &Uploads,
    headers: &HeaderMap,
    body: Multipart,
) -> Result<SignedCapture, Problem> {
    require_multipart(headers)?;
    let place = uploads.place()?;
    let (mut statement, mut signature, mut frames, mut total) = (None, None, Vec::new(), 0);
    each_part(body, async |name, part| match name {
        "capture" => once(&mut statement, "capture", bytes_of(part, MAX_STATEMENT_BYTES).await?),
        "signature" => once(&mut signature, "signature", bytes_of(part, MAX_SIGNATURE_BYTES).await?),
        "frame" if frames.len() < MAX_FRAMES => {
            let frame = bytes_of(part, MAX_BYTES).await?;
            total += frame.len();
            frames.push(frame);
            if total > MAX_CAPTURE_BYTES { Err(Refusal::CaptureTooLarge.into()) } else { Ok(()) }
        }
        "frame" => Err(invalid("frame", format!("at most {MAX_FRAMES} frames"))),
        _ => Err(invalid("body", "only the parts `capture`, `frame` and `signature`")),
    })
    .await?;
    let statement =
        statement.ok_or_else(|| invalid("capture", "the statement about the frames is missing"))?;
    let capture = Capture::bind(statement, frames).map_err(|error| invalid("capture", error.0))?;
    Ok(SignedCapture { capture, signature: signature.map(decode_signature).transpose()?, place })
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
    if place.replace(bytes).is_some() { Err(invalid(field, "each part once")) } else { Ok(()) }
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
