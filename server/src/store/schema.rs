//! The tables, as the migrations make them. Times are microseconds, ids and enumerations are text.

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
    admins (id) {
        id -> Text,
        name -> Text,
        token_hash -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    relying_parties (id) {
        id -> Text,
        name -> Text,
        state -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    api_keys (id) {
        id -> Text,
        rp_id -> Text,
        secret_hash -> Binary,
        created_at -> BigInt,
        revoked_at -> Nullable<BigInt>,
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
    devices (jkt) {
        jkt -> Text,
        public_key -> Binary,
        token_hash -> Binary,
        token_expires_at -> BigInt,
        holder_id -> Nullable<Text>,
        since -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
        ended_why -> Nullable<Text>,
        risk -> Nullable<Text>,
        sealed_signals -> Nullable<Binary>,
        next_token_hash -> Nullable<Binary>,
        next_token_expires_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    proofs (jkt, jti) {
        jkt -> Text,
        jti -> Text,
        stale_at -> BigInt,
    }
}

diesel::table! {
    enrolments (id) {
        id -> Text,
        device_jkt -> Text,
        state -> Text,
        sealed_document -> Nullable<Binary>,
        nonce -> Nullable<Binary>,
        deadline -> Nullable<BigInt>,
        reason -> Nullable<Text>,
        certificate_id -> Nullable<Text>,
        tries -> BigInt,
        created_at -> BigInt,
        expires_at -> BigInt,
        liveness -> Nullable<Text>,
        kind -> Nullable<Text>,
        sealed_answer -> Nullable<Binary>,
        answer_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    consents (id) {
        id -> Text,
        enrolment_id -> Text,
        text_version -> Text,
        receipt -> Text,
        agreed_at -> BigInt,
    }
}

diesel::table! {
    register_entries (person_mac) {
        person_mac -> Binary,
        added_at -> BigInt,
    }
}

diesel::table! {
    holders (id) {
        id -> Text,
        eid -> Binary,
        created_at -> BigInt,
    }
}

diesel::table! {
    notices (holder_id, id) {
        holder_id -> Text,
        id -> Text,
        kind -> Text,
        at -> BigInt,
    }
}

diesel::table! {
    certificates (holder_id, id) {
        holder_id -> Text,
        id -> Text,
        device_jkt -> Text,
        device_key -> Binary,
        status_list -> BigInt,
        status_index -> BigInt,
        assurance -> Text,
        sealed_attributes -> Binary,
        sealed_template -> Binary,
        revocation_code_hash -> Binary,
        state -> Text,
        reason -> Nullable<Text>,
        ended_at -> Nullable<BigInt>,
        issued_at -> BigInt,
        expires_at -> BigInt,
    }
}

diesel::table! {
    handles (handle_hash) {
        handle_hash -> Binary,
        certificate_id -> Text,
    }
}

diesel::table! {
    numeric_codes (code_mac) {
        code_mac -> Binary,
        certificate_id -> Text,
        share -> Text,
        expires_at -> BigInt,
        spent -> BigInt,
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
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    admins,
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
    status_lists
);
