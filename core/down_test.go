package core

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Whoever is cut takes the next connection from his pool at once: it must be condemned by then.
func TestMarkDownCondemnsBeforeItCuts(t *testing.T) {
	c := quietCluster()
	var links []*Link
	early := 0 // sockets cut while another link was still fit for use
	dial := func(context.Context, string, string) (net.Conn, error) {
		return closingConn{closing: func() {
			if slices.ContainsFunc(links, func(l *Link) bool { return l.Condemned() == nil }) {
				early++
			}
		}}, nil
	}
	for range 3 {
		links = append(links, linkTo(t, c, dial, "memory"))
	}
	c.MarkDown(links[0].Host(), errTestCause)
	if early != 0 {
		t.Errorf("%d sockets were cut before all connections were condemned", early)
	}
	for _, l := range links {
		if l.Lost() == nil {
			t.Error("a connection was not cut")
		}
	}
}

type closingConn struct {
	net.Conn
	closing func()
}

func (c closingConn) Close() error {
	c.closing()
	return nil
}

func TestMarkDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFakeCluster("w1", "r1")
		k := f.handle(t, nil, onRole(RoleReader))
		c := k.Cluster()
		reader := open(t, k)
		writer := open(t, f.handleOn(t, k, RoleWriter))
		failed := make(chan error, 1)
		f.with("r1", func(h *fakeHost) { h.frozen = true })
		go func() { failed <- reader.Ping(t.Context()) }()
		synctest.Wait()

		c.MarkDown("r1", errTestCause)
		if err := <-failed; !errors.Is(err, errTestCause) {
			t.Errorf("the busy connection: %v", err)
		}
		if writer.Link().Lost() != nil || writer.Link().Condemned() != nil {
			t.Error("a connection to another host was touched")
		}
		if !errors.Is(c.Down("r1"), errTestCause) || c.Down("w1") != nil {
			t.Errorf("down: r1 %v, w1 %v", c.Down("r1"), c.Down("w1"))
		}
		// Dials fail at once, without reaching the host.
		dials := read(f, "r1", dialsOf)
		start := time.Now()
		_, err := k.Open(t.Context())
		var lost *LostError
		if !errors.As(err, &lost) || !errors.Is(err, errTestCause) || !errors.Is(err, ErrConnect) {
			t.Errorf("Open: %v", err)
		}
		if time.Since(start) != 0 || read(f, "r1", dialsOf) != dials {
			t.Errorf("the dial took %s and reached the host %d times", time.Since(start), read(f, "r1", dialsOf)-dials)
		}
		// B57: marks expire, or are taken back.
		f.with("r1", func(h *fakeHost) { h.frozen = false })
		time.Sleep(downExpiry - time.Nanosecond)
		if c.Down("r1") == nil {
			t.Error("expired too early")
		}
		time.Sleep(time.Nanosecond)
		if err := c.Down("r1"); err != nil {
			t.Errorf("not expired: %v", err)
		}
		open(t, k)
		c.MarkDown("r1", errTestCause)
		c.MarkUp("r1")
		if c.Down("r1") != nil {
			t.Error("still down after MarkUp")
		}
		open(t, k)
	})
}

// A name of several machines, or one that leads elsewhere by now, is down only where it
// is: what has not been dialled when the mark was made is welcome.
func TestMarkDownOfAnAddress(t *testing.T) {
	f := newFakeCluster("w1", "r1")
	const name = "db.example.com:5432"
	f.aliases["10.0.0.1:5432"], f.aliases["10.0.0.2:5432"] = "w1", "r1"
	k := f.handle(t, nil)
	dial := func(addr string) error {
		c, err := k.Cluster().dial(t.Context(), dialOptions{target: name, owner: k, dial: f.dial}, "tcp", addr)
		if err == nil {
			t.Cleanup(func() { _ = c.Close() }) // perhaps cut already
		}
		return err
	}
	if err := dial("10.0.0.1:5432"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a mark that is renewed when nobody is left stays what it was
		k.Cluster().MarkDown(name, errTestCause)
		if err := dial("10.0.0.1:5432"); !errors.Is(err, errTestCause) {
			t.Errorf("where it is down: %v", err)
		}
	}
	if err := dial("10.0.0.2:5432"); err != nil {
		t.Errorf("elsewhere: %v", err)
	}
	if k.Cluster().Down(name) == nil {
		t.Error("not down")
	}
	k.Cluster().MarkUp(name)
	if err := dial("10.0.0.1:5432"); err != nil {
		t.Errorf("after MarkUp: %v", err)
	}
}
