-- +goose Up
CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL, initials text);
INSERT INTO accounts (id, owner) VALUES (1, 'The House'), (2, 'Émilie du Châtelet');

-- +goose Down
DROP TABLE accounts;
