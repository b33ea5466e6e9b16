// Package lab runs an Aurora-like database cluster inside one process, for tests, demonstrations and benchmarks
// of programs that use one: what net/http/httptest is to a web server.
//
//	cluster, err := lab.Start(lab.Options{})
//	if err != nil { ... }
//	defer cluster.Close()
//
//	cfg, err := pgx.ParseConfig(cluster.DSN(cluster.Endpoint()))
//	if err != nil { ... }
//	cfg.DialFunc, cfg.LookupFunc = cluster.DialContext, cluster.LookupHost
//	db := stdlib.OpenDB(*cfg)
//
// With Options{Flavor: lab.AuroraMySQL} the DSN is one for go-sql-driver, whose Config.DialFunc = cluster.DialContext is
// all it needs.
//
// A [Cluster] has a writer and readers that share their storage, speak the PostgreSQL or the MySQL protocol to
// unmodified drivers, and know the functions, variables and tables by which a client finds out what Aurora it talks
// to: which of them is up to the [Flavor]. It has a DNS of its own,
// [Cluster.LookupHost], with names as AWS gives them, and a network of its own, [Cluster.DialContext], which
// leads nowhere else: the names and addresses are made up, nothing needs to be configured, and several clusters
// live side by side. The SQL is a part of PostgreSQL's or MySQL's, good for tests; what is not understood fails as on
// the real server. With MySQL a password is checked by caching_sha2_password, its fast path included, by
// mysql_native_password or, over TLS, in the clear; text and binary protocol, several statements in one, LOAD DATA
// LOCAL and compression are there.
//
// # Control plane
//
// [Cluster.Promote] makes another instance the writer. From that instant the old one accepts no write, not even
// a commit. What is slow on AWS can be slow here: how long DNS and the status functions or tables of the other instances
// go on showing the old writer is up to [PromoteOptions]. [Cluster.Failover] does the whole: fault, pause,
// promotion, restart as a reader. [Cluster.SetDNS], [Cluster.FlapDNS] and [Cluster.FailDNS] make DNS worse.
//
// # Passwords and tokens
//
// Options.User logs in with Options.Password; Options.Users are further users. [Cluster.SetPassword] changes a password for
// logins from then on, as a rotation does. With Auth: [IAM] a user logs in with a token instead, which is verified as
// RDS does: signed by an identity of Options.Cloud, a [cloud.Cloud], less than 15 minutes ago, for that user, for the
// region, and for host and port of the very instance: the names and the port that clients use with DialContext, wherever
// the instance really listens. Among the names are those of the endpoints that lead to the instance at that moment, but no
// [Cluster.Alias]. PostgreSQL asks for it as for a password in the clear, MySQL by mysql_clear_password, and both over TLS
// only. [Instance.Refusals] tells what was wrong with a token.
//
// # Faults
//
// Each [Instance] can [Instance.Crash], and says so by resets and refusals, or leave its clients without a
// word: [Instance.Vanish] is a black hole that swallows packets, [Instance.Freeze] a hung process whose kernel
// still accepts connections, [Instance.HangAfter] an answer that stops in the middle. [Instance.Heal] brings
// the network back, and connections go on where they were; [Instance.Restart] starts a new process.
// [Instance.OnStatement] chooses a [Fate] for each statement: run it and lose the answer, for instance.
// [Instance.Statements] tells what each instance received, so that a test can say how often a statement was
// delivered, and [Cluster.Rows] what was committed.
//
// # Real servers
//
// [StartReal] gives the same Cluster and Instances with real servers behind them, for tests whose SQL the simulation
// does not know: PostgreSQL for its flavors, MariaDB for MySQL's. It needs the server programs (apt-get install
// postgresql, or mariadb-server): without them its error matches [ErrNotInstalled], so that a test can decide to be
// skipped. The servers replicate to each other synchronously, so that as on shared storage a promotion loses no
// acknowledged write. Clients reach them through a proxy in this process that does what the network's faults ask
// for, while Crash is SIGKILL and Freeze is SIGSTOP of the server and its children.
//
// PostgreSQL has Aurora's functions in SQL, and speaks TLS itself. What Aurora MySQL says of itself cannot be put into
// a server: the proxy rewrites the statements that ask for it, and speaks TLS in the server's place; compression is
// not offered, so that it can read. A real MySQL 8 could not be run where this was written, which has MariaDB only:
// where the two differ (caching_sha2_password, the words of messages, SHOW REPLICA STATUS) it is the simulation that
// stands for MySQL.
//
// Promote, Restart and some faults take the time that real processes take. A replaced writer that still runs does
// not fail at a write: it waits for a reader to confirm it, which never happens, until the client gives up or the
// instance gets a Restart; MariaDB becomes read-only if it can still be told. (PostgreSQL lets a session out of that
// wait by a cancel request or its statement_timeout, and acknowledges the write with a warning; and with
// synchronous_commit=off it does not wait. Tests of lost writes use none of these.) OnStatement, OnLogin, SetLoad,
// SetPassword, AddReader and RemoveInstance exist in the simulation only. What goes wrong where a method returns no error is in
// [Cluster.Err].
//
// # Loopback and memory
//
// By default each instance listens on a port of 127.0.0.1, and other programs can be pointed at its
// [Instance.ListenAddr]. (They see a reset where DialContext sees a refusal, and a connect that succeeds where
// DialContext waits in a black hole.) [Cluster.Publish] makes the cluster's names work for a program of this process that
// takes nothing but a connection string.
//
// With Network: [Memory] there are no sockets. Start, use and Close the cluster inside a testing/synctest
// bubble, and timeouts of minutes pass in microseconds. A simulation with random faults is then repeatable from
// its seed if the test keeps its own goroutines from acting at the same instant; the lab does so with its own.
// In a bubble a mutex that is held while waiting for an answer stops the clock for good when somebody else
// waits for the mutex; database/sql does that with the transaction of a Tx that two goroutines use.
package lab
