CREATE TABLE accounts (id bigint PRIMARY KEY, owner text NOT NULL);
UPDATE schema_migrations SET dirty = false;
