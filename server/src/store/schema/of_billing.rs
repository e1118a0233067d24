//! The tables of billing beside prices, charges and the ledger.

diesel::table! {
    packs (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        service -> Text,
        origin -> Text,
        paid_micros -> BigInt,
        earned_micros -> BigInt,
        units -> BigInt,
        remaining -> BigInt,
        monthly -> BigInt,
        granted_at -> BigInt,
        starts_at -> BigInt,
        expires_at -> BigInt,
        voided_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    balances (rp_id) {
        rp_id -> Text,
        micros -> BigInt,
        transaction_id -> Text,
    }
}

diesel::table! {
    billing_cycles (service, since) {
        service -> Text,
        cycle -> Text,
        since -> BigInt,
    }
}

diesel::table! {
    announcements (id) {
        id -> Text,
        kind -> Text,
        services -> Text,
        body -> Text,
        at -> BigInt,
        told_up_to -> Text,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    statements (rp_id, period) {
        rp_id -> Text,
        period -> Text,
        id -> Text,
        starts_at -> BigInt,
        ends_at -> BigInt,
        uses -> BigInt,
        micros -> BigInt,
        root -> Binary,
        token -> Text,
        closed_at -> BigInt,
        paid_micros -> BigInt,
        late_fee_micros -> BigInt,
        settled_at -> Nullable<BigInt>,
        late_fee_paid_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    statement_items (rp_id, period, line) {
        rp_id -> Text,
        period -> Text,
        line -> BigInt,
        service -> Text,
        price_version -> Text,
        pack_id -> Nullable<Text>,
        uses -> BigInt,
        micros -> BigInt,
    }
}

diesel::table! {
    settlement_payments (rp_id, period, transaction_id) {
        rp_id -> Text,
        period -> Text,
        transaction_id -> Text,
        micros -> BigInt,
        paid_at -> BigInt,
    }
}

diesel::table! {
    closed_periods (period) {
        period -> Text,
        statements -> BigInt,
        micros -> BigInt,
        closed_at -> BigInt,
    }
}

diesel::table! {
    cap_days (rp_id, cap_id, usage_date) {
        rp_id -> Text,
        cap_id -> Text,
        usage_date -> Text,
        micros -> BigInt,
        told_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    pack_alerts (rp_id, service) {
        rp_id -> Text,
        service -> Text,
        enabled -> BigInt,
        threshold -> BigInt,
        once_state -> Nullable<Text>,
        monthly_state -> Nullable<Text>,
    }
}

diesel::table! {
    messages (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        kind -> Text,
        body -> Text,
        at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(statements, statement_items);

diesel::table! {
    test_clocks (rp_id) {
        rp_id -> Text,
        at -> Nullable<BigInt>,
        target -> Nullable<BigInt>,
        through -> BigInt,
        epoch -> BigInt,
    }
}
