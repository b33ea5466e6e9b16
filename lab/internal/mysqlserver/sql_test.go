package mysqlserver

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExpressions compares results with what MySQL 8.0 gives, in the text and in the binary protocol.
func TestExpressions(t *testing.T) {
	c := trusting(t, Config{}).connect(t, "")
	c.must("CREATE TABLE t (i INT, s VARCHAR(20), d DECIMAL(10,2), f DOUBLE, at DATETIME, day DATE, b BLOB)",
		"INSERT INTO t VALUES (7, '12abc', 1.50, 0.5, '2024-02-29 10:20:30', '2024-01-31', X'00FF')")
	cases := []struct{ query, want string }{
		{"1 + 1", "2"}, {"1 = 1", "1"}, {"1 > 2", "0"}, {"NULL = 1", "NULL"}, {"NULL <=> NULL", "1"}, {"TRUE + TRUE", "2"},
		{"NOT 0", "1"}, {"2 AND 3", "1"}, {"0 || 5", "1"}, {"1 XOR 1", "0"}, {"NULL XOR 1", "NULL"},
		{"7 / 2", "3.5000"}, {"1.50 / 3", "0.500000"}, {"7 DIV 2", "3"}, {"-7 DIV 2", "-3"}, {"-7 % 3", "-1"}, {"5 / 0", "NULL"},
		{"'5' + 1", "6"}, {"'1.5abc' * 2", "3"}, {"5 = '5'", "1"}, {"5 = '5abc'", "1"}, {"'a' = 'A'", "0"}, {"'abc' LIKE 'a%'", "1"},
		{"i = '7'", "1"}, {"s = 12", "1"}, {"s + 0", "12"}, {"d * 2", "3.00"}, {"d + f", "2"}, {"i IN ('7', 'x')", "1"},
		{"at > '2024-01-01'", "1"}, {"day = '2024-01-31'", "1"}, {"at = day", "0"},
		{"at + INTERVAL 1 DAY", "2024-03-01 10:20:30"}, {"day + INTERVAL 1 MONTH", "2024-02-29"}, {"DATE_SUB('2024-03-31', INTERVAL 1 MONTH)", "2024-02-29"},
		{"TIMESTAMPDIFF(SECOND, '2024-01-01 00:00:00', '2024-01-01 00:01:30')", "90"}, {"DATEDIFF('2024-03-01', '2024-02-28')", "2"},
		{"DATE_FORMAT(at, '%Y/%m/%d %H-%i-%s')", "2024/02/29 10-20-30"}, {"EXTRACT(YEAR FROM at)", "2024"}, {"DATE(at)", "2024-02-29"}, {"UNIX_TIMESTAMP('1970-01-02')", "86400"},
		{"CONCAT('a', 1, NULL)", "NULL"}, {"CONCAT(i, '-', d, '-', day)", "7-1.50-2024-01-31"}, {"CONCAT_WS(',', 'a', NULL, 'b')", "a,b"},
		{"IFNULL(NULL, 'x')", "x"}, {"IF(i > 5, 'big', 'small')", "big"}, {"COALESCE(NULL, i)", "7"}, {"NULLIF(1, 1)", "NULL"},
		{"CASE i WHEN 7 THEN 'seven' ELSE i END", "seven"}, {"LENGTH('äb')", "3"}, {"CHAR_LENGTH('äb')", "2"}, {"LOWER('ÄB')", "äb"},
		{"SUBSTRING('hello', 2, 3)", "ell"}, {"SUBSTRING('hello', -3)", "llo"}, {"SUBSTRING('hello' FROM 2 FOR 1)", "e"}, {"LEFT('abc', 2)", "ab"},
		{"TRIM('  a ')", "a"}, {"TRIM(LEADING 'x' FROM 'xxax')", "ax"}, {"REPLACE('aba', 'a', 'c')", "cbc"}, {"LOCATE('b', 'abc')", "2"},
		{"SUBSTRING_INDEX('a.b.c', '.', 2)", "a.b"}, {"LPAD('5', 3, '0')", "005"}, {"REVERSE('abc')", "cba"}, {"HEX('ab')", "6162"}, {"HEX(255)", "FF"},
		{"b", "\x00\xff"}, {"HEX(b)", "00FF"}, {"LENGTH(b)", "2"}, {"b = X'00FF'", "1"}, {"'it''s' ' ok'", "it's ok"}, {`"a\tb"`, "a\tb"},
		{"ABS(-5)", "5"}, {"ROUND(2.5)", "3"}, {"ROUND(-2.567, 2)", "-2.57"}, {"ROUND(1234, -2)", "1200"}, {"FLOOR(-1.5)", "-2"}, {"CEIL(1.2)", "2"},
		{"MOD(10, 3)", "1"}, {"GREATEST(1, 5, 3)", "5"}, {"LEAST('b', 'a')", "a"}, {"5 & 6", "4"}, {"5 | 6", "7"}, {"1 << 4", "16"}, {"5 ^ 1", "4"},
		{"CAST('12x' AS SIGNED)", "12"}, {"CAST(1.5 AS CHAR)", "1.5"}, {"CAST('1.239' AS DECIMAL(5,2))", "1.24"}, {"CONVERT('2024-01-02', DATE)", "2024-01-02"},
		{"CAST(-1.5 AS SIGNED)", "-2"}, {"i BETWEEN 1 AND 10", "1"}, {"i NOT IN (1, 2)", "1"}, {"s REGEXP '^12'", "1"}, {"i IS NULL", "0"}, {"NULL IS NULL", "1"},
		{"(SELECT MAX(i) FROM t)", "7"}, {"EXISTS (SELECT 1 FROM t WHERE i = 8)", "0"}, {"i = ANY (SELECT i FROM t)", "1"},
		{`'{"a": {"b": [1, "x"]}}' -> '$.a.b[1]'`, `"x"`}, {`'{"a": "x"}' ->> '$.a'`, "x"}, {"0x41 = 'A'", "1"}, {"_utf8mb4'x'", "x"}, {"1e3", "1000"}, {"1.10", "1.10"},
		{"'1e9999999' > 1e300", "1"}, {"ROUND('1e999999') > 1", "1"}, {"TRUNCATE(1, -9999999)", "0"}, {"REPEAT('ab', 99999999999)", "NULL"}, {"LPAD('a', 99999999999, 'b')", "NULL"},
		{"DATE_ADD('2024-01-01', INTERVAL 999999999999 YEAR)", "NULL"}, {"at + INTERVAL -1.5 SECOND", "2024-02-29 10:20:28.500000"}, {"FROM_UNIXTIME(1e300)", "NULL"},
		{"1 << 64", "0"}, {"-9223372036854775808 % -1", "0"}, {"REPEAT('', 99999999999)", ""},
		{"DATABASE()", "shop"}, {"USER()", "app@10.0.0.9"}, {"VERSION()", "8.0.39"}, {"CONNECTION_ID() > 0", "1"}, {"@@version", "8.0.39"},
		{"LENGTH(UUID())", "36"}, {"-(-5)", "5"}, {"3 - -2", "5"}, {"i + 0.5", "7.5"}, {"2 * 3 + 4 DIV 3", "7"}, {"1 < 2 = 1", "1"}, {"NOT 1 = 2", "1"},
	}
	for _, cs := range cases {
		for _, query := range []string{"SELECT " + cs.query + " FROM t", "SELECT " + cs.query + " FROM t WHERE 1 = ?"} {
			var args []any
			if strings.HasSuffix(query, "?") {
				args = []any{1}
			}
			if diff := cmp.Diff([]string{cs.want}, c.table(query, args...)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	}
}
