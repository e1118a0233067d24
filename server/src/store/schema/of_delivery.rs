//! The tables of where relying parties are told of things, and of what is on its way there.

diesel::table! {
    endpoints (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        channel -> Text,
        events -> Text,
        sealed_target -> Binary,
        created_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        disabled_at -> Nullable<BigInt>,
        disabled_why -> Nullable<Text>,
        failing_since -> Nullable<BigInt>,
        quick -> BigInt,
        leased_until -> BigInt,
        leased_by -> Text,
    }
}

diesel::table! {
    deliveries (rp_id, endpoint_id, id) {
        rp_id -> Text,
        endpoint_id -> Text,
        id -> Text,
        event_id -> Text,
        kind -> Text,
        body -> Text,
        state -> Text,
        tries -> BigInt,
        created_at -> BigInt,
        begun_at -> BigInt,
        due_at -> BigInt,
        done_at -> Nullable<BigInt>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    event_cursors (name) {
        name -> Text,
        position -> BigInt,
    }
}

diesel::table! {
    withdrawal_notices (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        subject -> Text,
        purpose -> Nullable<Text>,
        redemptions -> Text,
        withdrawn_at -> BigInt,
        due_at -> BigInt,
        confirmed_at -> Nullable<BigInt>,
        deleted_at -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(endpoints, deliveries);
