DROP TABLE chargebacks;
DROP TABLE refunds;
DROP TABLE payments;
DROP TABLE orders;
DROP TABLE promotions;
DROP TABLE offers;
