//! Examples of the main line: enrolment, code, redemption, capture, receipt, orders. A story holds each to its schema.

use serde_json::{Value, json};

const CHARGE: &str = "chg_01M80ZJF2V5VQ0C3W1T6Y9R7KD";
const REDEMPTION: &str = "red_01M80ZJDTN8W7S9C5D1EX0H4QG";

fn yuan(micros: i64) -> Value {
    json!({"currency": "CNY", "micros": micros})
}

pub(super) fn enrolment() -> Value {
    json!({
        "consent": {"version": "2026-11", "purposes": ["send_identity_data", "verify_with_authority", "return_result"]},
        "device": {"os": "web", "locale": "zh-CN", "time_zone": "Asia/Shanghai"},
    })
}

pub(super) fn enrolment_started() -> Value {
    json!({
        "id": "enr_01M80ZJ9XT4M7C8Y3R2N5P6QKD", "access_token": "et_…", "token_type": "DPoP",
        "enrolment_expires_at": "2026-11-23T09:45:00Z", "token_expires_at": "2027-02-21T09:15:00Z", "consent_receipt": "eyJ…",
    })
}

pub(super) fn document_read() -> Value {
    json!({
        "state": "document_read", "kind": "id-card",
        "fields": {
            "name": "林知远", "sex": "male", "ethnicity": "汉", "birth": "1990-03-07", "number": "990000199003070013",
            "address": "样本省示例市测试区虚构路88号9栋1单元302室", "issuer": "示例市公安局测试分局",
            "valid_from": "2021-06-01", "valid_until": {"until": "2041-06-01"},
        },
    })
}

pub(super) fn challenge() -> Value {
    json!({"nonce": "b3JkaW5hcnkgbm9uY2UhIQ", "mode": "silent", "frames": [2, 12], "deadline": "2026-11-23T09:17:00Z"})
}

pub(super) fn issued() -> Value {
    json!({
        "state": "approved", "certificate_id": "crt_01M80ZJBBZY9QKNQSTJDT0EMRY", "certificate": "0oRY…",
        "disclosures": [{"name": "name", "value": "林知远", "salt": "AAECAwQFBgcICQoLDA0ODw"}],
        "revocation_code": "123456 789012 345674", "revocation_sheet": "<!doctype html>…", "assurance_level": "IAL2",
        "expires_at": "2031-11-23T09:15:00Z",
    })
}

pub(super) fn share() -> Value {
    json!({"share": "name"})
}

pub(super) fn digits() -> Value {
    json!({"code": "1289 8955 6426 2955", "expires_at": "2026-11-23T09:16:30Z"})
}

pub(super) fn approval() -> Value {
    json!({"decision": "agree", "number": "47"})
}

pub(super) fn redemption() -> Value {
    json!({"code": "1289 8955 6426 2955", "purpose": "check", "attributes": ["over_18", "name"], "terminal": "till-3"})
}

pub(super) fn opened() -> Value {
    json!({
        "id": REDEMPTION, "state": "challenged", "purpose": "check", "asked": ["over_18", "name"], "challenge": challenge(),
    })
}

pub(super) fn judged() -> Value {
    json!({
        "id": REDEMPTION, "outcome": "passed", "purpose": "check", "asked": ["over_18", "name"], "subject": "Zk1s…",
        "assurance_level": "IAL2", "attributes": {"name": "林知远", "over_18": true},
        "judgement": {
            "passed": true, "reasons": [], "comparison_score": 0.93, "comparison_threshold": 0.42,
            "comparison_models": ["sface/0ba9fbfa"], "continuity": 0.95, "liveness": 0.99,
        },
        "thresholds": {"comparison": 0.42, "continuity": 0.4, "search": 0.5, "live": 0.5},
        "model": "sface/0ba9fbfa", "receipt": "eyJ…", "result": "eyJ…",
        "charge": {
            "id": CHARGE, "amount": yuan(1_000_000), "price_version": "2026-11", "transaction": "ltx_01M80ZJF2V5VQ0C3W1T6Y9R7KE",
            "period": "2026-11-23",
        },
    })
}

pub(super) fn receipts() -> Value {
    json!({"receipts": ["eyJ…"], "log": [{"act": "{\"action\":\"redemption.passed\",…}", "salt": "AAEC…", "proof": "c2sp.org/tlog-proof@v1\n…"}]})
}

pub(super) fn liveness() -> Value {
    json!({"liveness": "actions"})
}

pub(super) fn order() -> Value {
    json!({"offer": "redeem-1000", "quantity": 2})
}

pub(super) fn quote() -> Value {
    json!({
        "offer": "redeem-1000", "service": "ecert.redeem", "quantity": 2, "units": 2000, "list": yuan(1_800_000_000),
        "discount": yuan(0), "total": yuan(1_800_000_000), "per_unit": yuan(900_000), "promotions": [],
    })
}

pub(super) fn placed() -> Value {
    json!({
        "id": "ord_01M80ZJH5B7N9V3X1Z4C6M8K0P", "offer": "redeem-1000", "service": "ecert.redeem", "kind": "pack", "quantity": 2,
        "units": 2000, "list": yuan(1_800_000_000), "total": yuan(1_800_000_000), "promotions": [], "state": "placed",
        "placed_at": "2026-11-23T09:20:00Z", "payable_until": "2026-11-30T09:20:00Z", "with_gift": false,
    })
}

pub(super) fn application() -> Value {
    json!({
        "name": "Corner Shop", "purposes": [{"name": "check", "attributes": ["over_18", "name"]}], "services": ["ecert.redeem"],
    })
}

pub(super) fn admitted() -> Value {
    json!({"id": "rp_01M80ZJ9K4GXZV4RGAFZGCNRZJ", "api_key": "ek_live_…"})
}

pub(super) fn why() -> Value {
    json!({"reason": "lost-device"})
}
