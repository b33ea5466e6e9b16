INSERT IGNORE INTO accounts (id, owner, balance) VALUES (1, 'the house', 1000);
