CREATE TABLE IF NOT EXISTS articles (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       varchar(100)    NOT NULL UNIQUE,
    price      numeric(30, 10) NOT NULL,
    properties jsonb           NOT NULL,
    retired    timestamptz     NULL,
    stock      bigint          NOT NULL
);

CREATE TABLE IF NOT EXISTS orders (
    id      varchar(36) PRIMARY KEY, -- chosen by the application: an order that is placed twice is there once
    article bigint NOT NULL REFERENCES articles (id),
    amount  bigint NOT NULL
);
