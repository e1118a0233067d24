//! What belongs to who works here.

diesel::table! {
    admins (id) {
        id -> Text,
        name -> Text,
        token_hash -> Nullable<Binary>,
        created_at -> BigInt,
        roles -> Text,
        token_expires_at -> Nullable<BigInt>,
        invitation_hash -> Nullable<Binary>,
        invitation_expires_at -> Nullable<BigInt>,
        ended_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    passkeys (id) {
        id -> Text,
        admin_id -> Text,
        name -> Text,
        credential_id -> Binary,
        credential -> Text,
        sign_count -> BigInt,
        created_at -> BigInt,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    ceremonies (id) {
        id -> Text,
        kind -> Text,
        subject -> Nullable<Text>,
        state -> Text,
        expires_at -> BigInt,
        used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    admin_sessions (id) {
        id -> Text,
        admin_id -> Text,
        secret_hash -> Binary,
        started_at -> BigInt,
        seen_at -> BigInt,
        ends_at -> BigInt,
        stepped_up_until -> Nullable<BigInt>,
    }
}

diesel::table! {
    admin_actions (id) {
        id -> Text,
        kind -> Text,
        subject -> Text,
        parameters -> Text,
        payload -> Nullable<Binary>,
        reason -> Nullable<Text>,
        requested_by -> Text,
        requested_at -> BigInt,
        state -> Text,
        decided_by -> Nullable<Text>,
        decided_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(admins, passkeys, admin_sessions);
