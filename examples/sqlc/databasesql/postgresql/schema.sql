CREATE TABLE IF NOT EXISTS accounts (
    id      bigint PRIMARY KEY,
    owner   text   NOT NULL,
    balance bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS transfers (
    id           text   PRIMARY KEY, -- chosen by the application: a transfer asked for twice is made once
    from_account bigint NOT NULL REFERENCES accounts (id),
    to_account   bigint NOT NULL REFERENCES accounts (id),
    amount       bigint NOT NULL
);
