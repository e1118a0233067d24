//! The tables of what is bought beforehand, and of the money for it.

diesel::table! {
    offers (id, valid_from) {
        id -> Text,
        valid_from -> BigInt,
        service -> Text,
        kind -> Text,
        units -> BigInt,
        months -> BigInt,
        micros -> BigInt,
        stock -> Nullable<BigInt>,
    }
}

diesel::table! {
    promotions (id) {
        id -> Text,
        kind -> Text,
        value -> BigInt,
        service -> Nullable<Text>,
        offer_id -> Nullable<Text>,
        coupon -> Nullable<Text>,
        stackable -> BigInt,
        valid_from -> BigInt,
        valid_until -> BigInt,
    }
}

diesel::table! {
    orders (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        offer_id -> Text,
        offer_from -> BigInt,
        quantity -> BigInt,
        list_micros -> BigInt,
        micros -> BigInt,
        promotions -> Text,
        coupon_id -> Nullable<Text>,
        gift -> BigInt,
        state -> Text,
        placed_at -> BigInt,
        closed_at -> Nullable<BigInt>,
        transaction_id -> Nullable<Text>,
        payment_note -> Nullable<Text>,
    }
}

diesel::table! {
    payments (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        provider -> Text,
        reference -> Text,
        micros -> BigInt,
        order_id -> Nullable<Text>,
        state -> Text,
        received_at -> BigInt,
        recorded_at -> BigInt,
        recorded_by -> Text,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Text>,
        transaction_id -> Nullable<Text>,
        outcome -> Nullable<Text>,
    }
}

diesel::table! {
    refunds (rp_id, id) {
        rp_id -> Text,
        id -> Text,
        payment_id -> Text,
        micros -> BigInt,
        state -> Text,
        requested_at -> BigInt,
        requested_by -> Text,
        decided_at -> Nullable<BigInt>,
        decided_by -> Nullable<Text>,
        transaction_id -> Nullable<Text>,
        confirmed_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    chargebacks (provider, reference) {
        provider -> Text,
        reference -> Text,
        payment_reference -> Text,
        micros -> BigInt,
        noted_at -> BigInt,
        rp_id -> Nullable<Text>,
        transaction_id -> Nullable<Text>,
        short_micros -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(orders, payments);
