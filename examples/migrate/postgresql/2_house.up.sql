ALTER TABLE accounts ADD COLUMN balance bigint NOT NULL DEFAULT 0;
INSERT INTO accounts (id, owner, balance) VALUES (1, 'the house', 1000);
UPDATE schema_migrations SET dirty = false;
