package mysqlserver

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// script is a list of steps: a query with the rows it gives, a statement with its affected rows and insert id, or a
// statement that fails.
type step struct {
	sql     string
	rows    []string // of a query
	count   string   // "affected id" of a statement
	failure uint16
}

func play(t *testing.T, c client, steps []step) {
	t.Helper()
	for _, s := range steps {
		switch {
		case s.failure != 0:
			c.refused(s.failure, s.sql)
		case s.rows != nil:
			if diff := cmp.Diff(s.rows, c.table(s.sql), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", s.sql, diff)
			}
		default:
			affected, id := c.exec(s.sql)
			if got := fmt.Sprint(affected, " ", id); s.count != "" && got != s.count {
				t.Errorf("%s: affected rows and id are %s, want %s", s.sql, got, s.count)
			}
		}
	}
}

func TestRows(t *testing.T) {
	c := trusting(t, Config{}).connect(t, "")
	play(t, c, []step{
		{sql: "CREATE TABLE items (id INT UNSIGNED NOT NULL AUTO_INCREMENT, Name VARCHAR(10) NOT NULL, n INT DEFAULT 3, PRIMARY KEY (id), UNIQUE KEY by_name (name)) ENGINE=InnoDB"},
		{sql: "INSERT INTO items (name) VALUES ('a'), ('b')", count: "2 1"},
		{sql: "INSERT INTO items VALUES (NULL, 'c', 5)", count: "1 3"},
		{sql: "INSERT INTO items VALUES (0, 'd', 5), (10, 'e', 5), (DEFAULT, 'f', DEFAULT)", count: "3 4"},
		{sql: "SELECT LAST_INSERT_ID(), @@last_insert_id", rows: []string{"4|4"}},
		{sql: "SELECT * FROM items ORDER BY ID DESC LIMIT 1, 2", rows: []string{"10|e|5", "4|d|5"}},
		{sql: "SELECT items.NAME FROM shop.items WHERE ID = '11'", rows: []string{"f"}},
		{sql: "INSERT INTO items (name) VALUES ('a')", failure: 1062},
		{sql: "INSERT INTO items (name) VALUES (NULL)", failure: 1048},
		{sql: "INSERT INTO items (name) VALUES ('much too long')", failure: 1406},
		{sql: "INSERT INTO items (name, n) VALUES ('x', 'y')", failure: 1366},
		{sql: "INSERT INTO items (name, n) VALUES ('x', 3000000000)", failure: 1264},
		{sql: "INSERT INTO items (name, n) VALUES ('x')", failure: 1136},
		{sql: "INSERT INTO items VALUES (1)", failure: 1136},
		{sql: "INSERT INTO items (wrong) VALUES (1)", failure: 1054},
		{sql: "INSERT IGNORE INTO items (name) VALUES ('a'), ('g')", count: "1 16"},
		{sql: "INSERT INTO items (name, n) VALUES ('a', 9) ON DUPLICATE KEY UPDATE n = VALUES(n)", count: "2 1"},
		{sql: "INSERT INTO items (name, n) VALUES ('a', 9) ON DUPLICATE KEY UPDATE n = VALUES(n)", count: "0 0"},
		{sql: "INSERT INTO items (name, n) VALUES ('a', 1), ('a', 1) AS new ON DUPLICATE KEY UPDATE n = items.n + new.n", count: "4 1"},
		{sql: "SELECT n FROM items WHERE name = 'a'", rows: []string{"11"}},
		{sql: "REPLACE INTO items (id, name, n) VALUES (1, 'b', 0)", count: "3 1"},
		{sql: "SELECT id, name, n FROM items WHERE id < 3", rows: []string{"1|b|0"}},
		{sql: "UPDATE items SET n = 5", count: "3 0"},
		{sql: "UPDATE items SET n = n + 1 ORDER BY id DESC LIMIT 2", count: "2 0"},
		{sql: "SELECT GROUP_CONCAT(name SEPARATOR '-'), SUM(n), AVG(n), MIN(n), COUNT(DISTINCT n) FROM items", rows: []string{"c-d-e-f-g-b|32|5.3333|5|2"}},
		{sql: "SELECT n, COUNT(*) AS c FROM items GROUP BY n HAVING c > 1 AND n > 0 ORDER BY c", rows: []string{"6|2", "5|4"}},
		{sql: "DELETE FROM items WHERE n = 5 ORDER BY name LIMIT 1", count: "1 0"},
		{sql: "DELETE i FROM items i JOIN items j ON i.id = j.id WHERE j.name = 'g'", count: "1 0"},
		{sql: "SELECT name FROM items WHERE name NOT IN ('c') UNION SELECT 1 ORDER BY name", rows: []string{"1", "d", "e", "f"}},
		{sql: "INSERT INTO items SET name = 's', n = 1 + 1", count: "1 21"},
		{sql: "INSERT INTO items (name) SELECT CONCAT('x', seq) FROM seq_1_to_3", count: "3 22"},
		{sql: "SELECT COUNT(*), MAX(seq) FROM seq_1_to_10_step_3", rows: []string{"4|10"}},
		{sql: "SELECT a.name, b.name FROM items a LEFT JOIN items b ON a.n = b.n AND b.name < 'e' AND a.name <> b.name WHERE a.name LIKE 'd%' OR a.name = 'c'", rows: []string{"c|d", "d|c"}},
		{sql: "WITH big AS (SELECT * FROM items WHERE n >= 6) SELECT COUNT(*) FROM big", rows: []string{"1"}},
		{sql: "TRUNCATE items", count: "0 0"},
		{sql: "INSERT INTO items (name) VALUES ('again')", count: "1 1"},
		{sql: "SELECT * FROM missing", failure: 1146},
		{sql: "SELECT wrong FROM items", failure: 1054},
		{sql: "SELECT missing(1)", failure: 1305},
		{sql: "SELECT lower(1, 2)", failure: 1582},
		{sql: "SELECT @@missing", failure: 1193},
		{sql: "SELEC 1", failure: 1064},
		{sql: "", failure: 1065},
		{sql: "SELECT name, COUNT(*) FROM items", failure: 1055},
		{sql: "SELECT (SELECT seq FROM seq_1_to_2)", failure: 1242},
		{sql: "CREATE TABLE items (a INT)", failure: 1050},
		{sql: "CREATE TABLE IF NOT EXISTS items (a INT)"},
		{sql: "DROP TABLE IF EXISTS items, missing"},
		{sql: "DROP TABLE items", failure: 1146},
	})
}

func TestDefinitions(t *testing.T) {
	c := trusting(t, Config{}).connect(t, "")
	play(t, c, []step{
		{sql: `CREATE TABLE kinds (id BIGINT PRIMARY KEY AUTO_INCREMENT, tiny TINYINT UNSIGNED, ok BOOL DEFAULT TRUE, price DECIMAL(8,3), f FLOAT, x DOUBLE,
			c CHAR(3), long_text MEDIUMTEXT, data VARBINARY(10), day DATE, at DATETIME(3), stamp TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
			t TIME, doc JSON, kind ENUM('a','b') DEFAULT 'a', KEY (tiny), CONSTRAINT positive CHECK (price > 0)) AUTO_INCREMENT = 100 DEFAULT CHARSET=utf8mb4`},
		{sql: `INSERT INTO kinds (tiny, price, f, x, c, long_text, data, day, at, stamp, t, doc) VALUES (200, 1.23456, 0.1, 1e20, 'abc', 'text', X'0102', '2024-05-06',
			'2024-05-06 07:08:09.12345', '2024-01-01 00:00:00', '10:20:30', '{"a": 1}')`, count: "1 100"},
		{sql: "SELECT id, tiny, ok, price, f, x, c, long_text, HEX(data), day, at, stamp, t, doc, kind FROM kinds",
			rows: []string{`100|200|1|1.235|0.1|1e+20|abc|text|0102|2024-05-06|2024-05-06 07:08:09.123|2024-01-01 00:00:00|10:20:30|{"a": 1}|a`}},
		{sql: "UPDATE kinds SET tiny = 200", count: "0 0"},
		{sql: "SELECT stamp < '2024-06-01' FROM kinds", rows: []string{"1"}},
		{sql: "UPDATE kinds SET tiny = 201", count: "1 0"},
		{sql: "SELECT stamp < '2024-06-01' FROM kinds", rows: []string{"0"}},
		{sql: "INSERT INTO kinds (price) VALUES (-1)", failure: 3819},
		{sql: "INSERT INTO kinds (day) VALUES ('0000-00-00')", failure: 1292},
		{sql: "INSERT INTO kinds (doc) VALUES ('{')", failure: 3140},
		{sql: "ALTER TABLE kinds ADD COLUMN extra INT NOT NULL DEFAULT 7 AFTER id, ADD UNIQUE INDEX by_extra (extra), ENGINE=InnoDB"},
		{sql: "SELECT extra FROM kinds WHERE EXTRA = 7", rows: []string{"7"}},
		{sql: "CREATE UNIQUE INDEX by_day ON kinds (day)"},
		{sql: "CREATE INDEX plain ON kinds (x)"},
		{sql: "ALTER TABLE kinds DROP COLUMN extra", failure: 1235},
		{sql: "DESCRIBE kinds", rows: []string{"id|bigint|NO|PRI|NULL|auto_increment", "tiny|tinyint unsigned|YES||NULL|", "ok|tinyint(1)|YES||1|",
			"price|decimal(8,3)|YES||NULL|", "f|float|YES||NULL|", "x|double|YES||NULL|", "c|char(3)|YES||NULL|", "long_text|mediumtext|YES||NULL|",
			"data|varbinary(10)|YES||NULL|", "day|date|YES|UNI|NULL|", "at|datetime(3)|YES||NULL|",
			"stamp|timestamp|YES||CURRENT_TIMESTAMP|DEFAULT_GENERATED on update CURRENT_TIMESTAMP", "t|time|YES||NULL|", "doc|json|YES||NULL|", "kind|enum|YES||a|",
			"extra|int|NO|UNI|7|"}},
		{sql: "SHOW COLUMNS FROM kinds LIKE 'pri%'", rows: []string{"price|decimal(8,3)|YES||NULL|"}},
		{sql: "SHOW COLUMNS FROM missing", failure: 1146},
		{sql: "SHOW TABLES", rows: []string{"kinds"}},
		{sql: "SHOW FULL TABLES LIKE 'k%'", rows: []string{"kinds|BASE TABLE"}},
		{sql: "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()", rows: []string{"kinds"}},
		{sql: "SELECT column_type FROM INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'kinds' AND column_name = 'tiny'", rows: []string{"tinyint unsigned"}},
	})
}

func TestColumnTypes(t *testing.T) {
	c := trusting(t, Config{}).connect(t, "parseTime=true")
	c.must("CREATE TABLE k (id BIGINT PRIMARY KEY, u INT UNSIGNED, b BOOL NOT NULL, d DECIMAL(8,3), x DOUBLE, v VARCHAR(5) NOT NULL, t TEXT, bl BLOB, at DATETIME(6), j JSON, day DATE)",
		"CREATE TABLE o (id BIGINT PRIMARY KEY)", "INSERT INTO k (id, b, v) VALUES (1, 1, 'x')")
	rows, err := c.QueryContext(context.Background(), "SELECT k.*, o.id, 1, COUNT(*) FROM k LEFT JOIN o ON k.id = o.id GROUP BY k.id, k.u, k.b, k.d, k.x, k.v, k.t, k.bl, k.at, k.j, k.day, o.id")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, ct := range types {
		nullable, _ := ct.Nullable()
		got = append(got, fmt.Sprintf("%s %s %v %v", ct.Name(), ct.DatabaseTypeName(), nullable, ct.ScanType()))
	}
	want := []string{"id BIGINT false int64", "u UNSIGNED INT true sql.NullInt64", "b TINYINT false int8", "d DECIMAL true sql.NullString", "x DOUBLE true sql.NullFloat64",
		"v VARCHAR false string", "t TEXT true sql.NullString", "bl BLOB true []uint8", "at DATETIME true sql.NullTime", "j JSON true sql.NullString", "day DATE true sql.NullTime",
		"id BIGINT true sql.NullInt64", "1 BIGINT true sql.NullInt64", "COUNT(*) BIGINT true sql.NullInt64"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}

func TestTransactions(t *testing.T) {
	in := trusting(t, Config{})
	c, other := in.connect(t, ""), in.connect(t, "")
	seen := func(want string) {
		t.Helper()
		if got := strings.Join(other.table("SELECT a FROM t ORDER BY a"), ","); got != want {
			t.Errorf("committed rows are %q, want %q", got, want)
		}
	}
	c.must("CREATE TABLE t (a INT PRIMARY KEY)", "BEGIN", "INSERT INTO t VALUES (1)")
	seen("")
	c.refused(1062, "INSERT INTO t VALUES (2), (1)")
	c.must("INSERT INTO t VALUES (3)", "COMMIT")
	seen("1,3") // the failed statement undid itself only
	c.must("START TRANSACTION", "DELETE FROM t", "SAVEPOINT s", "INSERT INTO t VALUES (9)", "ROLLBACK TO s", "INSERT INTO t VALUES (4)", "RELEASE SAVEPOINT s", "COMMIT")
	seen("4")
	c.refused(1305, "ROLLBACK TO SAVEPOINT s")
	c.must("BEGIN", "INSERT INTO t VALUES (5)", "CREATE TABLE u (a INT)", "ROLLBACK")
	seen("4,5") // a definition commits what is open
	c.must("BEGIN", "INSERT INTO t VALUES (6)", "BEGIN", "ROLLBACK")
	seen("4,5,6")
	c.must("SET autocommit = 0", "INSERT INTO t VALUES (7)", "ROLLBACK", "INSERT INTO t VALUES (8)", "SET autocommit = 1")
	seen("4,5,6,8")
	c.must("START TRANSACTION READ ONLY")
	c.refused(1792, "INSERT INTO t VALUES (10)")
	c.must("COMMIT", "SET TRANSACTION READ ONLY", "BEGIN")
	c.refused(1792, "DELETE FROM t")
	c.must("COMMIT", "SET SESSION TRANSACTION READ ONLY")
	c.refused(1792, "UPDATE t SET a = a + 100")
	c.must("SET SESSION TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED", "INSERT INTO t VALUES (11)")
	if diff := cmp.Diff([]string{"READ-COMMITTED"}, c.table("SELECT @@session.transaction_isolation")); diff != "" {
		t.Error(diff)
	}
	c.must("BEGIN", "DELETE FROM t", "COMMIT AND CHAIN", "INSERT INTO t VALUES (12)", "ROLLBACK")
	seen("")
}

func TestVariables(t *testing.T) {
	c := trusting(t, Config{Settings: map[string]string{"max_connections": "77", "my_own": "yes"}}).connect(t, "")
	play(t, c, []step{
		{sql: "SET @a = 1, @b := 'x', @c = 1.5, @d = NULL"},
		{sql: "SELECT @a + 1, @B, @c, @d, @missing", rows: []string{"2|x|1.5|NULL|NULL"}},
		{sql: "SET @a = @a + 1"},
		{sql: "SELECT @a", rows: []string{"2"}},
		{sql: "SELECT @@autocommit, @@SESSION.autocommit, @@global.max_connections, @@my_own", rows: []string{"1|1|77|yes"}},
		{sql: "SET sql_mode = 'ansi_quotes', SESSION wait_timeout = 100"},
		{sql: `SELECT "a" FROM (SELECT 1 AS a) x`, rows: []string{"1"}},
		{sql: "SET sql_mode = DEFAULT"},
		{sql: `SELECT "a"`, rows: []string{"a"}},
		{sql: "SHOW VARIABLES LIKE 'Wait_Time%'", rows: []string{"wait_timeout|100"}},
		{sql: "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wait_timeout', 'autocommit')", rows: []string{"autocommit|ON", "wait_timeout|28800"}},
		{sql: "SHOW WARNINGS", rows: []string{}},
		{sql: "SET NAMES utf8mb4 COLLATE utf8mb4_bin"},
		{sql: "SET time_zone = '+00:00'"},
		{sql: "SET time_zone = 'Europe/Berlin'", failure: 1298},
		{sql: "SET NAMES klingon", failure: 1115},
		{sql: "SET GLOBAL wait_timeout = 1", failure: 1227},
		{sql: "SET max_connections = 1", failure: 1229},
		{sql: "SET version = 'x'", failure: 1238},
		{sql: "SET missing = 1", failure: 1193},
		{sql: "SET autocommit = 7", failure: 1231},
		{sql: "SET wait_timeout = 'x'", failure: 1232},
		{sql: "SHOW DATABASES", rows: []string{"information_schema", "mysql", "performance_schema", "shop"}},
		{sql: "USE mysql"},
		{sql: "SELECT DATABASE()", rows: []string{"mysql"}},
		{sql: "CREATE TABLE shop.t (a INT)"},
		{sql: "SELECT a FROM t", failure: 1146},
		{sql: "SELECT * FROM shop.t", rows: []string{}},
		{sql: "USE information_schema"},
		{sql: "SELECT TABLE_SCHEMA FROM Tables WHERE table_name = 't'", rows: []string{"shop"}},
		{sql: "USE missing", failure: 1049},
	})
}
