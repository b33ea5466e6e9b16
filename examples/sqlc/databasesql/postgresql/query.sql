-- name: OpenAccount :exec
INSERT INTO accounts (id, owner, balance) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING;

-- name: AddToBalance :exec
UPDATE accounts SET balance = balance + sqlc.arg(amount) WHERE id = sqlc.arg(id);

-- name: RecordTransfer :execrows
INSERT INTO transfers (id, from_account, to_account, amount) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING;

-- name: Total :one
SELECT cast(sum(balance) AS bigint) AS total FROM accounts;

-- name: ListTransfers :many
SELECT * FROM transfers;
