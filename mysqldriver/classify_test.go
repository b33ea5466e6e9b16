package mysqldriver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/awsdb/awsdb/core"
)

// serverError has a text that must not matter.
func serverError(number uint16, state string) *mysql.MySQLError {
	e := &mysql.MySQLError{Number: number, Message: "broken pipe 28000 bad connection --read-only 1836"}
	copy(e.SQLState[:], state)
	return e
}

// B34, B35, B37-B41, B99: faults by type and number, whatever lies around them.
func TestClassify(t *testing.T) {
	network := func(err error) error {
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", err)}
	}
	tests := map[string]struct {
		err  error
		want core.Fault
	}{
		"reset":                 {network(syscall.ECONNRESET), core.FaultLink},
		"broken pipe":           {network(syscall.EPIPE), core.FaultLink},
		"refused":               {network(syscall.ECONNREFUSED), core.FaultLink},
		"host unreachable":      {network(syscall.EHOSTUNREACH), core.FaultLink},
		"net unreachable":       {network(syscall.ENETUNREACH), core.FaultLink},
		"timed out":             {network(syscall.ETIMEDOUT), core.FaultLink},
		"bare reset":            {syscall.ECONNRESET, core.FaultLink},
		"EOF, TLS close-notify": {io.EOF, core.FaultLink},
		"unexpected EOF":        {io.ErrUnexpectedEOF, core.FaultLink},
		"net closed":            {net.ErrClosed, core.FaultLink},
		"no such host":          {&net.DNSError{Err: "no such host", IsNotFound: true}, core.FaultLink},
		"cut by us":             {&core.LostError{Host: "w1", Aborted: true, Err: errors.New("x")}, core.FaultLink},
		"B35: cut by us":        {&core.LostError{Host: "w1", Aborted: true, Err: net.ErrClosed}, core.FaultLink},
		"cut at a deadline":     {&core.LostError{Host: "w1", Aborted: true, Err: context.DeadlineExceeded}, core.FaultLink},
		"B35: own close":        {mysql.ErrInvalidConn, core.FaultClosed},
		"B34: from the pool":    {driver.ErrBadConn, core.FaultClosed},
		"packets out of order":  {mysql.ErrPktSync, core.FaultClosed},
		"packets out of order, after a large one": {mysql.ErrPktSyncMul, core.FaultClosed},
		"B32: cancelled": {context.Canceled, core.FaultCanceled},
		"B33: deadline":  {context.DeadlineExceeded, core.FaultCanceled},

		"1053, shutdown":              {serverError(1053, "08S01"), core.FaultShutdown},
		"1152, aborting":              {serverError(1152, "08S01"), core.FaultShutdown},
		"1158, reading":               {serverError(1158, "08S01"), core.FaultShutdown},
		"1159, reading for too long":  {serverError(1159, "08S01"), core.FaultShutdown},
		"1160, writing":               {serverError(1160, "08S01"), core.FaultShutdown},
		"1161, writing for too long":  {serverError(1161, "08S01"), core.FaultShutdown},
		"1184, aborting a new one":    {serverError(1184, "08S01"), core.FaultShutdown},
		"1927, killed by MariaDB":     {serverError(1927, "70100"), core.FaultShutdown},
		"3032, offline mode":          {serverError(3032, "HY000"), core.FaultShutdown},
		"4031, idle for too long":     {serverError(4031, "HY000"), core.FaultShutdown},
		"B40: 1836, read-only mode":   {serverError(1836, "HY000"), core.FaultReadOnly},
		"B40: 1792, read-only":        {serverError(1792, "25006"), core.FaultReadOnly},
		"B40: 1040, too many":         {serverError(1040, "08004"), core.FaultBusy},
		"1203, too many of the user":  {serverError(1203, "42000"), core.FaultBusy},
		"1226, the user's limit":      {serverError(1226, "42000"), core.FaultBusy},
		"1045, denied":                {serverError(1045, "28000"), core.FaultLogin},
		"1698, denied, no password":   {serverError(1698, "28000"), core.FaultLogin},
		"28000 of an authentication":  {serverError(1524, "28000"), core.FaultLogin},
		"1129, host blocked":          {serverError(1129, "HY000"), core.FaultNone},
		"1064, syntax":                {serverError(1064, "42000"), core.FaultNone},
		"1062, duplicate":             {serverError(1062, "23000"), core.FaultNone},
		"1213, deadlock":              {serverError(1213, "40001"), core.FaultNone},
		"1205, lock wait":             {serverError(1205, "HY000"), core.FaultNone},
		"1317, query killed":          {serverError(1317, "70100"), core.FaultNone},
		"3024, execution time":        {serverError(3024, "HY000"), core.FaultNone},
		"1105, unknown":               {serverError(1105, "HY000"), core.FaultNone},
		"1429, of a foreign server":   {serverError(1429, "HY000"), core.FaultNone},
		"1142, no right to the table": {serverError(1142, "42000"), core.FaultNone},
		"no number":                   {serverError(0, ""), core.FaultNone},
		"a number of the client's":    {serverError(2013, "HY000"), core.FaultNone},
		"1290 of nothing known":       {&mysql.MySQLError{Number: 1290}, core.FaultNone},
		"the words of 1290, not it":   {&mysql.MySQLError{Number: 1064, Message: "near '--read-only'"}, core.FaultNone},
		"B38: text only":              {errors.New("invalid connection; Error 1836: broken pipe; driver: bad connection"), core.FaultNone},
		"wrong certificate":           {x509.UnknownAuthorityError{}, core.FaultNone},
		"certificate, by TLS":         {&tls.CertificateVerificationError{Err: x509.HostnameError{}}, core.FaultNone},
		"no TLS there":                {mysql.ErrNoTLS, core.FaultNone},
		"too large":                   {mysql.ErrPktTooLarge, core.FaultNone},
		"no rows":                     {sql.ErrNoRows, core.FaultNone},
		"nil":                         {nil, core.FaultNone},
	}
	e := &engine{}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			forms := map[string]error{"bare": test.err}
			if test.err != nil {
				forms["wrapped twice"] = fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", test.err))
				forms["joined"] = errors.Join(errors.New("broken pipe"), test.err)
				forms["joined and wrapped"] = fmt.Errorf("x: %w", errors.Join(test.err, errors.New("Error 1836")))
			}
			for form, err := range forms {
				if got := e.Classify(err, nil); got != test.want {
					t.Errorf("%s: %s, want %s", form, got, test.want)
				}
			}
		})
	}
}

// What the server says counts more than what becomes of the connection after it.
func TestClassifyTheServersWordFirst(t *testing.T) {
	lost := &core.LostError{Host: "w1", Err: io.EOF}
	for number, want := range map[uint16]core.Fault{1053: core.FaultShutdown, 1836: core.FaultReadOnly, 1064: core.FaultNone} {
		if got := classify(errors.Join(lost, mysql.ErrInvalidConn, serverError(number, ""))); got != want {
			t.Errorf("%d: %s, want %s", number, got, want)
		}
	}
	if got := classify(errors.Join(mysql.ErrInvalidConn, lost)); got != core.FaultLink {
		t.Errorf("a cause is known: %s", got)
	}
}

// B40: one number for many options. The sentences are those of the servers.
func TestReadOnlyByOption(t *testing.T) {
	for message, want := range map[string]core.Fault{
		"The MySQL server is running with the --read-only option so it cannot execute this statement":           core.FaultReadOnly,
		"The MySQL server is running with the --super-read-only option so it cannot execute this statement":     core.FaultReadOnly,
		"The MariaDB server is running with the --read-only option so it cannot execute this statement":         core.FaultReadOnly,
		"The MariaDB server is running with the --innodb-read-only option so it cannot execute this statement":  core.FaultReadOnly,
		"The MySQL server is running with the --read_only=ON option so it cannot execute this statement":        core.FaultReadOnly,
		"The MySQL server is running with the LOCK_WRITE_GROWTH option so it cannot execute this statement":     core.FaultNone,
		"The MySQL server is running with the --secure-file-priv option so it cannot execute this statement":    core.FaultNone,
		"The MySQL server is running with the --skip-grant-tables option so it cannot execute this statement":   core.FaultNone,
		"The MariaDB server is running with the --skip-grant-tables option so it cannot execute this statement": core.FaultNone,
		"The MySQL server is running with the --rpl-read-only-x option so it cannot execute this statement":     core.FaultNone,
		"The MySQL server is running with the read-only option so it cannot execute this statement":             core.FaultNone,

		"Der MariaDB-Server läuft mit der Option --read-only und kann diese Anweisung deswegen nicht ausführen":        core.FaultReadOnly,
		"Der MariaDB-Server läuft mit der Option --secure-file-priv und kann diese Anweisung deswegen nicht ausführen": core.FaultNone,
		"MariaDBサーバーが --read-only オプションで実行されているので、このステートメントは実行できません。":                                                  core.FaultReadOnly,
		"MariaDBサーバーが --secure-file-priv オプションで実行されているので、このステートメントは実行できません。":                                           core.FaultNone,
		"MariaDB服务器使用--read-only选项运行，因此无法执行此语句":                                                                        core.FaultReadOnly,
		"MariaDB服务器使用--skip-grant-tables选项运行，因此无法执行此语句":                                                                core.FaultNone,
		"MariaDB är startad med --read-only. Pga av detta kan du inte använda detta kommando":                          core.FaultReadOnly,
		"MariaDB är startad med --secure-file-priv. Pga av detta kan du inte använda detta kommando":                   core.FaultNone,
		"MariaDB სერვერი --read-only პარამეტრითაა გაშვებული და ამ გამოსახულების შესრულება არ შეუძლია":                  core.FaultReadOnly,
	} {
		if got := classify(fmt.Errorf("insert: %w", &mysql.MySQLError{Number: 1290, Message: message})); got != want {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}
