-- +goose Up
CREATE TABLE IF NOT EXISTS accounts (id bigint PRIMARY KEY, owner text NOT NULL, initials text);
INSERT IGNORE INTO accounts (id, owner) VALUES (1, 'The House'), (2, 'Émilie du Châtelet');

-- +goose Down
DROP TABLE IF EXISTS accounts;
