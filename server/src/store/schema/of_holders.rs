//! What belongs to holders: their devices, how they enrolled, and what they were issued.

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
        sponsorship_id -> Nullable<Text>,
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
        held_at -> Nullable<BigInt>,
        kek -> Nullable<Text>,
        wrapped_key -> Nullable<Binary>,
        erased_at -> Nullable<BigInt>,
        has_blocks -> BigInt,
    }
}

diesel::table! {
    blocks (holder_id, rp_id) {
        holder_id -> Text,
        rp_id -> Text,
        blocked_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(holders, withdrawals);

diesel::table! {
    withdrawals (holder_id, id) {
        holder_id -> Text,
        id -> Text,
        rp_id -> Text,
        purpose -> Nullable<Text>,
        subject -> Text,
        redemptions -> Text,
        withdrawn_at -> BigInt,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    erasures (holder_id) {
        holder_id -> Text,
        device_jkt -> Nullable<Text>,
        receipt -> Text,
        erased_at -> BigInt,
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
        suspended_at -> Nullable<BigInt>,
        note -> Nullable<Text>,
        superseded_by -> Nullable<Text>,
        sponsorship_id -> Nullable<Text>,
        sealed_portrait -> Nullable<Binary>,
    }
}

diesel::table! {
    handles (handle_hash) {
        handle_hash -> Binary,
        certificate_id -> Text,
        public_key -> Nullable<Binary>,
        issued_at -> BigInt,
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
