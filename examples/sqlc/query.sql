-- name: CountAccounts :one
SELECT count(*) FROM accounts;

-- name: ListAccounts :many
SELECT * FROM accounts ORDER BY id;

-- name: OpenAccounts :copyfrom
INSERT INTO accounts (id, owner, balance) VALUES ($1, $2, $3);

-- name: AddToBalance :exec
UPDATE accounts SET balance = balance + sqlc.arg(amount) WHERE id = sqlc.arg(id);

-- name: RecordTransfer :execrows
INSERT INTO transfers (id, from_account, to_account, amount) VALUES ($1, $2, $3, $4)
ON CONFLICT (id) DO NOTHING;

-- name: ListTransfers :many
SELECT * FROM transfers;
