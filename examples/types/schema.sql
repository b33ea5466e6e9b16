DO $$ BEGIN
    CREATE TYPE interest AS ENUM ('music', 'sports', 'books');
    CREATE TYPE address AS (street text, zip text);
EXCEPTION WHEN duplicate_object THEN NULL; -- made by an earlier run
END $$;

CREATE TABLE IF NOT EXISTS customers (
    id        bigint PRIMARY KEY,
    home      address,
    previous  address[],
    interests interest[]
);
