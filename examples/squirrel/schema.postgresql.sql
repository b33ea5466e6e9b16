CREATE TABLE IF NOT EXISTS pages (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path   varchar(200) NOT NULL UNIQUE,
    visits bigint       NOT NULL
);

CREATE TABLE IF NOT EXISTS visits (
    id      varchar(36) PRIMARY KEY, -- chosen by the application: a visit that is counted again is there once
    page    bigint      NOT NULL REFERENCES pages (id),
    at      timestamptz NOT NULL,
    referer varchar(200) NULL,
    headers jsonb       NOT NULL
);
