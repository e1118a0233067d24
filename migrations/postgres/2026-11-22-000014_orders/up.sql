-- What is sold beforehand, from `valid_from` on until a later row of the same id: `units` for each of `months` (monthly), or for all of
-- them together. `stock` is what is left of it; without end where there is none. Only the stock of a row ever changes.
CREATE TABLE offers (
    id TEXT COLLATE "C" NOT NULL,
    valid_from BIGINT NOT NULL,
    service TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('pack', 'monthly', 'licence')),
    units BIGINT NOT NULL CHECK (units > 0),
    months BIGINT NOT NULL CHECK (months BETWEEN 1 AND 120),
    micros BIGINT NOT NULL CHECK (micros >= 0),
    stock BIGINT CHECK (stock >= 0),
    PRIMARY KEY (id, valid_from)
);

-- Less to pay, for whoever buys in time, or knows the coupon: `value` is parts of ten thousand, or micro-yuan.
CREATE TABLE promotions (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('percentage', 'amount')),
    value BIGINT NOT NULL CHECK (value > 0),
    service TEXT,
    offer_id TEXT,
    coupon TEXT,
    stackable BIGINT NOT NULL CHECK (stackable IN (0, 1)),
    valid_from BIGINT NOT NULL,
    valid_until BIGINT NOT NULL CHECK (valid_until > valid_from)
);
CREATE UNIQUE INDEX promotions_coupon ON promotions (coupon) WHERE coupon IS NOT NULL;

-- An order at its agreed price. A placed one that is older than a week counts as expired, whatever stands here. `gift`: the first purchase,
-- with which free packs came. `payment_note`: why money that was sent for it went to the balance.
CREATE TABLE orders (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    offer_id TEXT COLLATE "C" NOT NULL,
    offer_from BIGINT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity > 0),
    list_micros BIGINT NOT NULL CHECK (list_micros >= 0),
    micros BIGINT NOT NULL CHECK (micros BETWEEN 0 AND list_micros),
    promotions TEXT NOT NULL,
    coupon_id TEXT,
    gift BIGINT NOT NULL CHECK (gift IN (0, 1)),
    state TEXT NOT NULL CHECK (state IN ('placed', 'fulfilled', 'expired', 'sold_out', 'cancelled', 'withdrawn')),
    placed_at BIGINT NOT NULL,
    closed_at BIGINT,
    transaction_id TEXT COLLATE "C",
    payment_note TEXT,
    PRIMARY KEY (rp_id, id)
);
CREATE INDEX orders_placed ON orders (placed_at) WHERE state = 'placed';

-- Money that came in. A bank transfer is recorded by one person and credited by another; what a gateway notifies of is decided by its
-- signature.
CREATE TABLE payments (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    provider TEXT NOT NULL,
    reference TEXT NOT NULL,
    micros BIGINT NOT NULL CHECK (micros > 0),
    order_id TEXT COLLATE "C",
    state TEXT NOT NULL CHECK (state IN ('recorded', 'credited', 'rejected')),
    received_at BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    recorded_by TEXT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT,
    transaction_id TEXT COLLATE "C",
    outcome TEXT,
    CHECK (decided_by IS NULL OR decided_by <> recorded_by OR provider <> 'bank' OR state = 'rejected'),
    PRIMARY KEY (rp_id, id)
);
CREATE UNIQUE INDEX payments_reference ON payments (provider, reference) WHERE state <> 'rejected';
CREATE INDEX payments_recorded ON payments (id) WHERE state = 'recorded';
CREATE INDEX payments_of_order ON payments (order_id) WHERE state = 'recorded';

-- Money that goes back because we say so: asked for by one person, approved by another. `confirmed_at`: when the gateway said that it went.
CREATE TABLE refunds (
    rp_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL UNIQUE,
    payment_id TEXT COLLATE "C" NOT NULL,
    micros BIGINT NOT NULL CHECK (micros > 0),
    state TEXT NOT NULL CHECK (state IN ('requested', 'approved', 'rejected')),
    requested_at BIGINT NOT NULL,
    requested_by TEXT NOT NULL,
    decided_at BIGINT,
    decided_by TEXT,
    transaction_id TEXT COLLATE "C",
    confirmed_at BIGINT,
    CHECK (decided_by IS NULL OR decided_by <> requested_by OR state = 'rejected'),
    PRIMARY KEY (rp_id, id)
);
CREATE INDEX refunds_of_payment ON refunds (payment_id);
CREATE INDEX refunds_requested ON refunds (id) WHERE state = 'requested';

-- Money that a gateway took back by itself. It may be told of before its payment, and then waits for it (no `rp_id`). `short_micros`: what
-- the balance did not cover; the next money that comes in does.
CREATE TABLE chargebacks (
    provider TEXT NOT NULL,
    reference TEXT NOT NULL,
    payment_reference TEXT NOT NULL,
    micros BIGINT NOT NULL CHECK (micros > 0),
    noted_at BIGINT NOT NULL,
    rp_id TEXT COLLATE "C",
    transaction_id TEXT COLLATE "C",
    short_micros BIGINT NOT NULL CHECK (short_micros BETWEEN 0 AND micros),
    PRIMARY KEY (provider, reference)
);
CREATE INDEX chargebacks_of_payment ON chargebacks (provider, payment_reference);
CREATE INDEX chargebacks_short ON chargebacks (rp_id) WHERE short_micros > 0;
