CREATE TABLE IF NOT EXISTS accounts (
    id      bigint       PRIMARY KEY,
    owner   varchar(100) NOT NULL,
    balance bigint       NOT NULL
);

CREATE TABLE IF NOT EXISTS transfers (
    id           varchar(36) PRIMARY KEY, -- chosen by the application: a transfer asked for twice is made once
    from_account bigint NOT NULL,
    to_account   bigint NOT NULL,
    amount       bigint NOT NULL,
    FOREIGN KEY (from_account) REFERENCES accounts (id),
    FOREIGN KEY (to_account) REFERENCES accounts (id)
);
