package lab_test

import (
	"database/sql"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab"
)

func lookup(t *testing.T, cluster *lab.Cluster, name string) string {
	t.Helper()
	ips, err := cluster.LookupHost(t.Context(), name)
	if err != nil {
		t.Errorf("lookup %s: %v", name, err)
		return ""
	}
	for _, i := range cluster.Instances() {
		if len(ips) == 1 && i.IP() == ips[0] {
			return i.ID()
		}
	}
	t.Errorf("lookup %s: %v", name, ips)
	return ""
}

func notFound(t *testing.T, cluster *lab.Cluster, name string) {
	t.Helper()
	ips, err := cluster.LookupHost(t.Context(), name)
	var dnsError *net.DNSError
	if !errors.As(err, &dnsError) || !dnsError.IsNotFound {
		t.Errorf("lookup %s: %v, %v, want no such host", name, ips, err)
	}
}

// writers is whom the status of the instance behind db calls writer.
func (e engine) writers(t *testing.T, db *sql.DB) []string {
	t.Helper()
	return column(t, db, "select server_id from "+e.status+" where session_id = 'MASTER_SESSION_ID'")
}

// isReader tells what an instance says of itself.
func (e engine) isReader(t *testing.T, cluster *lab.Cluster, i *lab.Instance) bool {
	t.Helper()
	said := column(t, open(t, cluster, i.Host()), e.reader)
	return said[0] == "true" || said[0] == "1"
}

func TestPromoteFencesTheOldWriter(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		old := open(t, cluster, cluster.Instance("mydb-1").Host())
		exec(t, old, "create table t (id int primary key)")
		tx, err := old.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec("insert into t values (1)"); err != nil {
			t.Fatal(err)
		}
		promote(t, cluster, "mydb-2", lab.PromoteOptions{})
		wantCode(t, tx.Commit(), e.refusedWrite)
		_, err = old.Exec("insert into t values (2)")
		wantCode(t, err, e.refusedWrite)

		exec(t, open(t, cluster, cluster.Instance("mydb-2").Host()), "insert into t values (1)")
		wantEqual(t, "writer", cluster.Writer().ID(), "mydb-2")
		readers := cluster.Readers()
		wantEqual(t, "readers", []string{readers[0].ID(), readers[1].ID()}, []string{"mydb-1", "mydb-3"})
		wantEqual(t, "rows", len(cluster.Rows("t")), 1)
		if cluster.Instance("mydb-1").Writer() || !cluster.Instance("mydb-2").Writer() {
			t.Error("Instance.Writer disagrees")
		}
		wantEqual(t, "who says it is a reader",
			[]bool{e.isReader(t, cluster, cluster.Instance("mydb-1")), e.isReader(t, cluster, cluster.Instance("mydb-2"))}, []bool{true, false})
	})
}

func TestAFrozenWriterWakesUpFenced(t *testing.T) {
	inBubbles(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		old := cluster.Writer()
		db := open(t, cluster, old.Host())
		exec(t, db, "create table t (id int)")
		old.OnStatement(func(s lab.Statement) lab.Fate {
			if s.SQL == "insert into t values (1)" {
				old.Freeze() // received, not yet executed
			}
			return lab.Run()
		})
		result := make(chan error, 1)
		go func() { _, err := db.Exec("insert into t values (1)"); result <- err }()
		time.Sleep(time.Minute)
		promote(t, cluster, "mydb-2", lab.PromoteOptions{})
		old.Heal()
		wantCode(t, <-result, e.refusedWrite)
		wantEqual(t, "rows", len(cluster.Rows("t")), 0)
	})
}

func TestPromoteDropsSessions(t *testing.T) {
	everywhere(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		idle := connect(t, cluster, cluster.Instance("mydb-1").Host())
		old, to := hanging(t, e, cluster, cluster.Instance("mydb-1")), hanging(t, e, cluster, cluster.Instance("mydb-2"))
		other := connect(t, cluster, cluster.Instance("mydb-3").Host())
		promote(t, cluster, "mydb-2", lab.PromoteOptions{DropSessions: true})
		wantCode(t, <-old, e.shutdown)
		wantCode(t, <-to, e.shutdown)
		time.Sleep(silence)
		e.wantDropped(t, within(time.Minute, ping(idle)))
		if err := ping(other)(t.Context()); err != nil {
			t.Errorf("a session elsewhere: %v", err)
		}
		connect(t, cluster, cluster.Instance("mydb-2").Host())
	})
}

func TestStatusLag(t *testing.T) {
	inBubbles(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		var views []*sql.DB
		for _, i := range cluster.Instances() {
			views = append(views, open(t, cluster, i.Host()))
		}
		see := func(want ...string) {
			t.Helper()
			for n, view := range views {
				wantEqual(t, fmt.Sprintf("writers as mydb-%d sees them", n+1), e.writers(t, view), []string{want[n]})
			}
		}
		see("mydb-1", "mydb-1", "mydb-1")
		promote(t, cluster, "mydb-2", lab.PromoteOptions{StatusLag: 10 * time.Second})
		see("mydb-1", "mydb-2", "mydb-1")
		time.Sleep(10 * time.Second)
		see("mydb-2", "mydb-2", "mydb-2")
	})
}

func TestStatusOfADeadInstanceAges(t *testing.T) {
	inBubbles(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		view := open(t, cluster, cluster.Instance("mydb-1").Host())
		cluster.Instance("mydb-3").Crash()
		time.Sleep(time.Hour)
		fresh := "select server_id from " + e.status + " where " + e.fresh
		wantEqual(t, "fresh rows", column(t, view, fresh), []string{"mydb-1", "mydb-2"})
		cluster.Instance("mydb-3").Restart()
		wantEqual(t, "fresh rows", column(t, view, fresh), []string{"mydb-1", "mydb-2", "mydb-3"})
	})
}

func TestLoad(t *testing.T) {
	inBubbles(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		cluster.Instance("mydb-2").SetLoad(75, 40*time.Millisecond)
		var cpu, lag float64
		err := open(t, cluster, cluster.Endpoint()).QueryRow(
			"select cpu, "+e.lag+" from "+e.status+" where server_id = 'mydb-2'").Scan(&cpu, &lag)
		if err != nil || cpu != 75 || lag != 40 {
			t.Errorf("cpu %v, lag %v, %v", cpu, lag, err)
		}
	})
}

func TestDNS(t *testing.T) {
	bubble(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		writer, readers := cluster.Endpoint(), cluster.ReaderEndpoint()
		wantEqual(t, "endpoint", writer, "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com")
		wantEqual(t, "reader endpoint", readers, "mydb.cluster-ro-c9xyz0abcdef.us-east-1.rds.amazonaws.com")
		wantEqual(t, "instance pattern", cluster.InstancePattern(), "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com")

		wantEqual(t, "writer", lookup(t, cluster, writer), "mydb-1")
		wantEqual(t, "case and final dot", lookup(t, cluster, "MyDB-3.C9xyz0abcdef.us-east-1.rds.amazonaws.com."), "mydb-3")
		wantEqual(t, "rotation",
			[]string{lookup(t, cluster, readers), lookup(t, cluster, readers), lookup(t, cluster, readers)},
			[]string{"mydb-2", "mydb-3", "mydb-2"})
		notFound(t, cluster, "mydb-4.c9xyz0abcdef.us-east-1.rds.amazonaws.com")
		notFound(t, cluster, "")

		promote(t, cluster, "mydb-3", lab.PromoteOptions{DNSLag: 30 * time.Second})
		wantEqual(t, "writer, lagging", lookup(t, cluster, writer), "mydb-1")
		time.Sleep(30 * time.Second)
		wantEqual(t, "writer", lookup(t, cluster, writer), "mydb-3")
		name, err := cluster.LookupCNAME(t.Context(), writer)
		if err != nil || name != cluster.Instance("mydb-3").Host()+"." {
			t.Errorf("CNAME %q, %v", name, err)
		}
		wantEqual(t, "a reader", lookup(t, cluster, readers) != "mydb-3", true)

		cluster.RemoveInstance("mydb-1")
		cluster.RemoveInstance("mydb-2")
		wantEqual(t, "the reader endpoint without readers", lookup(t, cluster, readers), "mydb-3")
	})
}

func TestDNSUnderControl(t *testing.T) {
	bubble(t, lab.Options{}, func(t *testing.T, cluster *lab.Cluster) {
		cluster.Alias("db.example.com", cluster.Endpoint())
		wantEqual(t, "alias", lookup(t, cluster, "db.example.com"), "mydb-1")
		cluster.Alias("loop.example.com", "loop.example.com")
		notFound(t, cluster, "loop.example.com")

		cluster.SetDNS(cluster.Endpoint(), "mydb-3")
		wantEqual(t, "override through the alias", lookup(t, cluster, "db.example.com"), "mydb-3")
		cluster.SetDNS(cluster.Endpoint(), "")
		wantEqual(t, "override gone", lookup(t, cluster, cluster.Endpoint()), "mydb-1")

		cluster.FlapDNS(cluster.Endpoint(), time.Second, 3*time.Second, "mydb-2", "mydb-3")
		var seen []string
		for range 4 {
			seen = append(seen, lookup(t, cluster, cluster.Endpoint()))
			time.Sleep(time.Second)
		}
		wantEqual(t, "flapping", seen, []string{"mydb-2", "mydb-3", "mydb-2", "mydb-1"})

		cluster.FailDNS(true)
		_, err := cluster.LookupHost(t.Context(), cluster.Endpoint())
		var dnsError *net.DNSError
		if !errors.As(err, &dnsError) || dnsError.IsNotFound || !dnsError.IsTemporary {
			t.Errorf("lookup: %v", err)
		}
		if ips, err := cluster.LookupHost(t.Context(), "10.20.0.11"); err != nil || ips[0] != "10.20.0.11" {
			t.Errorf("an address needs no DNS: %v, %v", ips, err)
		}
		cluster.FailDNS(false)
		wantEqual(t, "after all", lookup(t, cluster, cluster.Endpoint()), "mydb-1")
	})
}

func TestFailover(t *testing.T) {
	inBubbles(t, lab.Options{}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		cluster.Instance("mydb-2").Freeze() // not a candidate
		begin := time.Now()
		done := cluster.Failover(lab.FailoverOptions{
			After: 10 * time.Second, RestartAfter: 20 * time.Second,
			Promote: lab.PromoteOptions{DNSLag: 5 * time.Second},
		})
		wantEqual(t, "writer before", cluster.Writer().ID(), "mydb-1")
		time.Sleep(10*time.Second + 1)
		wantEqual(t, "writer after", cluster.Writer().ID(), "mydb-3")
		if err := dial(cluster, cluster.Instance("mydb-1"))(t.Context()); err == nil {
			t.Error("the old writer is up")
		}
		<-done
		wantEqual(t, "duration", time.Since(begin).Round(time.Second), 30*time.Second)
		db := open(t, cluster, cluster.Instance("mydb-1").Host())
		_, err := db.Exec("create table t (id int)")
		wantCode(t, err, e.refusedTable)

		done = cluster.Failover(lab.FailoverOptions{After: time.Hour})
		cluster.Close()
		<-done
	})
}

func TestAddAndRemove(t *testing.T) {
	everywhere(t, lab.Options{Instances: 1}, func(t *testing.T, e engine, cluster *lab.Cluster) {
		added, err := cluster.AddReader("mydb-extra")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cluster.AddReader("mydb-extra"); err == nil {
			t.Error("added twice")
		}
		conn := connect(t, cluster, added.Host())
		view := open(t, cluster, cluster.Endpoint())
		members := "select server_id from " + e.status + " order by server_id"
		wantEqual(t, "members", column(t, view, members), []string{"mydb-1", "mydb-extra"})

		cluster.RemoveInstance("mydb-extra")
		cluster.RemoveInstance("mydb-extra")
		if err := ping(conn)(t.Context()); err == nil {
			t.Error("a removed instance answers")
		}
		notFound(t, cluster, added.Host())
		wantEqual(t, "members", column(t, view, members), []string{"mydb-1"})
	})
}

func TestGlobalDatabase(t *testing.T) {
	eachEngine(t, func(t *testing.T, e engine) {
		bubble(t, lab.Options{Flavor: e.global, Instances: 2}, func(t *testing.T, cluster *lab.Cluster) {
			wantEqual(t, "global endpoint", cluster.GlobalEndpoint(), "mydb.global-c9xyz0abcdef.global.rds.amazonaws.com")
			db := open(t, cluster, cluster.GlobalEndpoint())
			members := "select concat(aws_region, ' ', server_id) from " + e.globalInstances + " order by server_id"
			wantEqual(t, "rows", column(t, db, members), []string{
				"us-east-1 mydb-1", "us-east-1 mydb-2", "eu-west-1 mydb-eu-west-1-1", "eu-west-1 mydb-eu-west-1-2",
			})
			wantEqual(t, "regions", column(t, db, "select aws_region from "+e.globalStatus), []string{"eu-west-1", "us-east-1"})
			wantEqual(t, "members of the region", column(t, db, "select server_id from "+e.status), []string{"mydb-1", "mydb-2"})
			notFound(t, cluster, cluster.RegionEndpoint("eu-west-1"))
			wantEqual(t, "remote reader", lookup(t, cluster, cluster.RegionReaderEndpoint("eu-west-1")), "mydb-eu-west-1-1")

			promote(t, cluster, "mydb-eu-west-1-2", lab.PromoteOptions{})
			wantEqual(t, "global endpoint", lookup(t, cluster, cluster.GlobalEndpoint()), "mydb-eu-west-1-2")
			wantEqual(t, "remote endpoint", lookup(t, cluster, cluster.RegionEndpoint("eu-west-1")), "mydb-eu-west-1-2")
			notFound(t, cluster, cluster.Endpoint())
			wantEqual(t, "region", cluster.Writer().Region(), "eu-west-1")
			writer := "select server_id from " + e.globalInstances + " where session_id = 'MASTER_SESSION_ID'"
			wantEqual(t, "writer by its rows", column(t, db, writer), []string{"mydb-eu-west-1-2"})
		})
	})
}

func TestFlavors(t *testing.T) {
	has := "select to_regproc('%s') is not null"
	for name, tc := range map[string]struct {
		flavor lab.Flavor
		want   map[string]bool
	}{
		"Aurora":   {lab.AuroraPG, map[string]bool{"aurora_replica_status": true, "aurora_global_db_status": false}},
		"global":   {lab.GlobalAuroraPG, map[string]bool{"aurora_replica_status": true, "aurora_global_db_status": true}},
		"Multi-AZ": {lab.MultiAZPG, map[string]bool{"aurora_replica_status": false, "rds_tools.show_topology": true}},
		"RDS":      {lab.RDSPG, map[string]bool{"aurora_replica_status": false}},
		"PG":       {lab.PG, map[string]bool{"aurora_replica_status": false, "rds_tools.show_topology": false}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, lab.Options{Flavor: tc.flavor}, func(t *testing.T, cluster *lab.Cluster) {
				db := open(t, cluster, cluster.Endpoint())
				for function, want := range tc.want {
					var got bool
					if err := db.QueryRow(fmt.Sprintf(has, function)).Scan(&got); err != nil || got != want {
						t.Errorf("%s: %t, %v, want %t", function, got, err, want)
					}
				}
			})
		})
	}
}

func TestPromoteOfNobody(t *testing.T) {
	cluster := start(t, lab.Options{})
	if err := cluster.Promote("mydb-9", lab.PromoteOptions{}); err == nil {
		t.Error("promoting nobody is no error")
	}
	wantEqual(t, "writer", cluster.Writer().ID(), "mydb-1")
	<-cluster.Failover(lab.FailoverOptions{To: "mydb-9"})
	if cluster.Err() == nil {
		t.Error("a failed failover is not in Err")
	}
}
