// Package scenarios holds one readable test for each numbered scenario (B01 to
// B120) of what users of Aurora clients suffer from, played against the simulated
// cluster of the lab through the public API: most in virtual time, with exact
// limits, some on loopback sockets. The scenario's number is in the test's name.
//
// Each runs for every front end, see package frontend: both drivers of database/sql, and
// the native pool, of which all is asked that a scenario says of a *sql.DB. Where it cannot
// do that, the reason is in frontend.Unlike; what it alone has is in ../pgxpool.
// Scenarios about something that only one engine has are in a file named after it.
// PostgreSQL alone has listeners (B102), servers that answer while they start (B39), and a
// driver that sees that a session was left in a transaction (B104); MySQL alone an error
// that needs its text to be understood (B40), a driver that looks at idle sockets (B79,
// B80) and one that gives up reading after a time of its own, implicit commits, several
// statements in one text, and files in the middle of a statement.
//
// Scenarios that have no test of that name here, and where they are covered:
//
//	B01           simulation (topology read and changed by all); core TestPublishCondemns, -race
//	B04           core TestSharingRace, TestMonitorParks
//	B05, B21      no cache evicts anything: nothing to race with, nothing to dispose of
//	B09           simulation (each RowsAffected is checked), TestB95_B96_PreparedStatements
//	B13-B15       the topology monitor: core TestMonitorSurvivesAPanic, TestMonitorWhenEverythingIsDown; the host monitor: here
//	B16           here, and core TestHealthyCallsDoNotAllocate
//	B29           credentials TestMany… and TestB84_LifetimeOfConnections count what is asked of AWS
//	B30           core TestLinksComeAndGo; B31 here
//	B34, B35, B37 pgdriver TestClassify, TestClassifyConnectErrors, mysqldriver TestClassify, TestConnectErrors; core
//	              link_test; B36, B38, B39 here as well
//	B47, B49      TestB77_EveryWayToLoseTheWriter (lagging status, two instances), core TestFailoverOfTwoNodes
//	B53           TestB51_B53_IdleConnectionsOfADemotedWriter
//	B55           TestB54_B55_TheBudgetIsKept
//	B56           core TestConnectErrors; TestB59_B60_Modes never lands on nil
//	B61           customendpoint's
//	B82           core TestResetSessionAndIsValid
//	B83           frozen, and awsauth's tests of tokens and its cache: in virtual time, and with SIGSTOP, the wall clock
//	              does not leave the monotonic one behind
//	B84-B88       credentials: lifetimes_test, names_test; B24 and B41, B42, B64, B112 of tokens there as well
//	B89-B91, B93  credentials: secrets_test; B92 in each of its files
//	B94           here of passwords, credentials of all that each of its tests uses
//	B97           a connection never changes its host: there is no such signal
//	B100, B101    driverapi TestB100_OptionalInterfaces, TestUnwrap, TestOnConnect; TestSessionSettingsOnEveryConnection
//	B105          pgdriver TestDSNIsParsedAsByPgx, mysqldriver TestDSNIsParsedAsByTheDriver
//	B107          awsdb reads no file at run time; ci's consumer builds
//	B108-B118     bluegreen's, customendpoint's; B112 credentials TestB87_B112_GreenHost
//
// What the host monitor does is in the files monitor_*_test.go: alone, where times are
// exact, and together with failover. B81, B101 and B102 are here for whatever a *sql.DB
// gives, a native pool's as well; hooks, hijacked connections and listeners of a native
// pool are in ../pgxpool.
//
// Asks of the ranked list: 1 hygiene_test.go; 3 errors_test.go; 6 loss_test.go; 7
// and 8 names_test.go; 9 TestB67; 10 to 13 lifecycle_test.go; 15 hygiene_test.go;
// 16 and 18 TestSessionSettingsOnEveryConnection, driverapi; 19 modes_test.go; 23
// plugins_test.go and TestB54; 30 load_test.go.
//
// Two things cannot be played in virtual time, since somebody waits with a mutex
// for somebody who waits for the network: sql.Conn.Close while a call runs on it,
// and a TLS handshake that hangs under pgx. They run on loopback.
package scenarios
