//! What belongs to approvals and to the holder's record.

diesel::table! {
    approvals (rp_id, redemption_id) {
        rp_id -> Text,
        redemption_id -> Text,
        number -> BigInt,
        wrong_numbers -> BigInt,
        amount_currency -> Nullable<Text>,
        amount_micros -> Nullable<BigInt>,
        api_key_id -> Nullable<Text>,
    }
}

diesel::table! {
    standing_numbers (number_mac) {
        number_mac -> Binary,
        holder_id -> Text,
        share -> Text,
        made_at -> BigInt,
        ended_at -> Nullable<BigInt>,
        reason -> Nullable<Text>,
    }
}

diesel::table! {
    past_uses (certificate_id, redemption_id) {
        certificate_id -> Text,
        redemption_id -> Text,
        rp_id -> Text,
    }
}

diesel::table! {
    over_askings (certificate_id, code_id, rp_id) {
        certificate_id -> Text,
        code_id -> Binary,
        rp_id -> Text,
        purpose -> Text,
        asked -> Text,
        refusal -> Text,
        at -> BigInt,
    }
}
