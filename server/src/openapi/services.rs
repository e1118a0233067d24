//! Services by the call.

use wallet_core::refusal::Refusal::{FaceGroupFull, FaceGroupOutdated, LiveOnly, LivenessSessionClosed};

use super::api::Api;
use super::examples;
use super::operation::{Operation, Part};
use super::refusals::{CAPTURE_UNUSABLE, DOCUMENT_UNUSABLE, NOT_SERVED, RATE_LIMITED};
use crate::flow::face_groups::{Added, Found, Group};
use crate::flow::faces::{Compared, Description};
use crate::flow::liveness_sessions::{LivenessJudgement, Session};
use crate::flow::persons::PersonVerification;
use crate::http::{face_groups, faces, liveness_sessions, persons};

const PICTURE: Part = Part::Picture("picture", "A picture with one face");
const CAPTURE: Part = Part::Capture { signed: false };

/// What all that is charged once it was judged have in common.
fn charged(operation: &mut Operation) -> &mut Operation {
    operation.keyed().refuses(&NOT_SERVED).refuses(&[CAPTURE_UNUSABLE, RATE_LIMITED])
}

pub(super) fn describe(api: &mut Api) {
    api.noun("Services by the call", "Each is bought, answers with what it found and a receipt, and is charged once when it was judged, passed or failed.");
    let compare = api.post("/v1/faces:compare", faces::compare, "Are these two the same person?");
    charged(compare)
        .uploads(&[Part::Picture("first", "A picture with one face"), Part::Picture("second", "Another")])
        .uses::<Compared>();
    let describe = api.post("/v1/faces:attributes", faces::describe, "What does this face look like?");
    charged(describe)
        .about("What models guess, and no evidence of anything.")
        .uploads(&[PICTURE])
        .uses::<Description>();
    api.post("/v1/liveness-sessions", liveness_sessions::open, "Open a liveness session")
        .about("Free, and without an Idempotency-Key.")
        .creates::<Session>()
        .sent(examples::liveness())
        .refuses(&NOT_SERVED)
        .refuses(&[RATE_LIMITED]);
    api.get("/v1/liveness-sessions/{id}", liveness_sessions::show, "A liveness session");
    let judge = api.post(
        "/v1/liveness-sessions/{id}/captures",
        liveness_sessions::submit_capture,
        "Is a live person there?",
    );
    charged(judge).uploads(&[CAPTURE]).uses::<LivenessJudgement>().refuses(&[LivenessSessionClosed]);
    let verify = api.post("/v1/persons:verify", persons::verify, "Verify a person by card and face");
    charged(verify)
        .about("The challenge of the liveness session is used up.")
        .uploads(&[
            Part::Word("session", "The id of a liveness session"),
            Part::Picture("front", "The side with the portrait"),
            Part::Picture("back", "The side with the validity"),
            CAPTURE,
        ])
        .uses::<PersonVerification>()
        .refuses(&[
            wallet_core::refusal::Refusal::NotFound,
            DOCUMENT_UNUSABLE,
            LiveOnly,
            LivenessSessionClosed,
        ]);

    api.noun("Face groups", "Faces that a relying party searches in. Filling them is free.");
    api.post("/v1/face-groups", face_groups::create, "Make a group")
        .creates::<Group>()
        .refuses(&NOT_SERVED)
        .refuses(&[FaceGroupFull, RATE_LIMITED]);
    api.get("/v1/face-groups/{id}", face_groups::show, "A group");
    api.delete("/v1/face-groups/{id}", face_groups::erase, "Erase a group with its faces").says_nothing();
    api.post("/v1/face-groups/{id}/faces", face_groups::add_face, "Put a face into a group")
        .uploads(&[PICTURE, Part::Word("label", "1 to 80 characters")])
        .creates::<Added>()
        .refuses(&NOT_SERVED)
        .refuses(&[CAPTURE_UNUSABLE, FaceGroupFull, FaceGroupOutdated, RATE_LIMITED]);
    api.delete("/v1/face-groups/{id}/faces/{face}", face_groups::remove_face, "Take a face out")
        .says_nothing();
    let search = api.post("/v1/face-groups/{id}:search", face_groups::search, "Who of the group is this?");
    charged(search).uploads(&[PICTURE]).uses::<Found>().refuses(&[FaceGroupOutdated]);
}
