-- name: OpenAccount :exec
INSERT INTO accounts (id, owner, balance) VALUES (?, ?, ?) ON DUPLICATE KEY UPDATE id = id;

-- name: AddToBalance :exec
UPDATE accounts SET balance = balance + sqlc.arg(amount) WHERE id = sqlc.arg(id);

-- name: RecordTransfer :execrows
INSERT INTO transfers (id, from_account, to_account, amount) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE id = id;

-- name: Total :one
SELECT cast(sum(balance) AS signed) AS total FROM accounts;

-- name: ListTransfers :many
SELECT * FROM transfers;
