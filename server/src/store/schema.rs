//! The tables, as the migrations make them. Times are microseconds, ids and enumerations are text.

mod of_approvals;
mod of_billing;
mod of_delivery;
mod of_holders;
mod of_orders;
mod of_staff;

pub use of_approvals::{approvals, over_askings, past_uses, standing_numbers};
pub use of_billing::{
    announcements, balances, billing_cycles, cap_days, closed_periods, messages, pack_alerts, packs,
    settlement_payments, statement_items, statements, test_clocks,
};
pub use of_delivery::{deliveries, endpoints, event_cursors, withdrawal_notices};
pub use of_holders::{
    blocks, certificates, consents, devices, enrolments, erasures, handles, holders, notices, numeric_codes,
    proofs, register_entries, withdrawals,
};
pub use of_orders::{chargebacks, offers, orders, payments, promotions, refunds};
pub use of_staff::{admin_actions, admin_sessions, admins, ceremonies, passkeys};

diesel::table! {
    changes (subject) {
        subject -> Text,
        count -> BigInt,
    }
}

diesel::table! {
    schema_floor (version) {
        version -> Text,
    }
}

diesel::table! {
    jobs (name) {
        name -> Text,
        leased_by -> Text,
        leased_until -> BigInt,
        due_at -> BigInt,
        succeeded_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    relying_parties (id) {
        id -> Text,
        name -> Text,
        state -> Text,
        created_at -> BigInt,
        arrears_since -> Nullable<BigInt>,
        caps -> Nullable<Text>,
        sandbox -> BigInt,
        suspended_why -> Nullable<Text>,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        rp_id -> Text,
        secret_hash -> Binary,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
        name -> Text,
        expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    purposes (rp_id, name) {
        rp_id -> Text,
        name -> Text,
        attributes -> Text,
    }
}

diesel::table! {
    subscriptions (rp_id, service) {
        rp_id -> Text,
        service -> Text,
        since -> BigInt,
    }
}

diesel::table! {
    prices (service, valid_from) {
        version -> Text,
        service -> Text,
        valid_from -> BigInt,
        currency -> Text,
        micros -> BigInt,
    }
}

diesel::table! {
    spent_codes (certificate_id, code_id) {
        certificate_id -> Text,
        code_id -> Binary,
        rp_id -> Text,
        redemption_id -> Text,
        request_mac -> Binary,
        spent_at -> BigInt,
    }
}

diesel::table! {
    jws_headers (id) {
        id -> Text,
        header -> Text,
    }
}

diesel::table! {
    terminals (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        name -> Text,
        purposes -> Nullable<Text>,
        created_at -> BigInt,
        activation_hash -> Binary,
        activation_expires_at -> BigInt,
        activated_at -> Nullable<BigInt>,
        jkt -> Nullable<Text>,
        public_key -> Nullable<Binary>,
        token_hash -> Nullable<Binary>,
        token_expires_at -> Nullable<BigInt>,
        next_token_hash -> Nullable<Binary>,
        next_token_expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    redemptions (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        certificate_id -> Text,
        purpose -> Text,
        asked -> Text,
        share -> Text,
        nonce -> Binary,
        deadline -> BigInt,
        state -> Text,
        unusable_attempts -> BigInt,
        opened_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        sealed_answer -> Nullable<Binary>,
        liveness -> Nullable<Text>,
        phase -> Nullable<Text>,
        terminal_id -> Nullable<Text>,
    }
}

diesel::table! {
    attempts (rp_id, redemption_id, id) {
        rp_id -> Text,
        redemption_id -> Text,
        id -> Text,
        service -> Text,
        outcome -> Text,
        reason -> Nullable<Text>,
        charge_id -> Nullable<Text>,
        receipt -> Text,
        judged_at -> BigInt,
    }
}

diesel::table! {
    ledger_transactions (book, id) {
        book -> Text,
        id -> Text,
        kind -> Text,
        reverses -> Nullable<Text>,
        posted_at -> BigInt,
    }
}

diesel::table! {
    postings (book, transaction_id, line) {
        book -> Text,
        transaction_id -> Text,
        line -> BigInt,
        account -> Text,
        currency -> Text,
        micros -> BigInt,
    }
}

diesel::table! {
    charges (rp_id, redemption_id) {
        rp_id -> Text,
        redemption_id -> Text,
        id -> Text,
        attempt_id -> Text,
        service -> Text,
        price_version -> Text,
        currency -> Text,
        micros -> BigInt,
        transaction_id -> Text,
        usage_date -> Text,
        charged_at -> BigInt,
        pack_id -> Nullable<Text>,
        period -> Nullable<Text>,
        submitted_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    liveness_sessions (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        liveness -> Nullable<Text>,
        nonce -> Binary,
        deadline -> BigInt,
        state -> Text,
        unusable_attempts -> BigInt,
        opened_at -> BigInt,
    }
}

diesel::table! {
    face_groups (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        name -> Text,
        model -> Text,
        revision -> BigInt,
        faces -> BigInt,
        created_at -> BigInt,
    }
}

diesel::table! {
    group_faces (rp_id, group_id, number) {
        rp_id -> Text,
        group_id -> Text,
        number -> BigInt,
        id -> Text,
        label -> Text,
        sealed_template -> Nullable<Binary>,
        revision -> BigInt,
        changed_at -> BigInt,
    }
}

diesel::table! {
    idempotency_keys (rp_id, key) {
        rp_id -> Text,
        key -> Text,
        fingerprint -> Binary,
        lease -> Text,
        leased_until -> BigInt,
        sealed_answer -> Nullable<Binary>,
        created_at -> BigInt,
    }
}

diesel::table! {
    throttles (subject, window_start) {
        subject -> Text,
        window_start -> BigInt,
        count -> BigInt,
    }
}

diesel::table! {
    audit (actor, id) {
        actor -> Text,
        id -> Text,
        action -> Text,
        object -> Text,
        outcome -> Text,
        at -> BigInt,
        why -> Nullable<Text>,
    }
}

diesel::table! {
    outbox (id) {
        id -> Text,
        topic -> Text,
        subject -> Text,
        created_at -> BigInt,
        done_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    status_lists (number) {
        number -> BigInt,
        token -> Text,
        published_at -> BigInt,
        cwt -> Nullable<Binary>,
        version -> BigInt,
    }
}

diesel::table! {
    sponsorships (id) {
        id -> Text,
        rp_id -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    log_queue (id) {
        id -> Text,
        actor -> Text,
        action -> Text,
        object -> Text,
        outcome -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    log_entries (log_index) {
        log_index -> BigInt,
        id -> Text,
        actor -> Text,
        action -> Text,
        object -> Text,
        outcome -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    log_tiles (level, tile_index) {
        level -> BigInt,
        tile_index -> BigInt,
        hashes -> Binary,
    }
}

diesel::table! {
    log_heads (name) {
        name -> Text,
        size -> BigInt,
        checkpoint -> Text,
        signed_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    relying_parties,
    api_keys,
    purposes,
    subscriptions,
    prices,
    devices,
    proofs,
    enrolments,
    consents,
    register_entries,
    holders,
    certificates,
    handles,
    numeric_codes,
    spent_codes,
    jws_headers,
    redemptions,
    attempts,
    ledger_transactions,
    postings,
    charges,
    idempotency_keys,
    throttles,
    audit,
    outbox,
    status_lists,
    sponsorships
);
