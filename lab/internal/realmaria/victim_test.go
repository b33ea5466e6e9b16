package realmaria

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/awsdb/awsdb/lab/internal/realserver"
)

// victimVariable, when set, turns the test binary into a program that starts a cluster and waits for its end.
const victimVariable = "AWSDB_REALMARIA_VICTIM"

func victim() {
	c, err := Start(context.Background(), Options{Instances: 2})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, n := range c.nodes {
		fmt.Println(n.server.Running().ID())
	}
	select {}
}

// TestKilledProcessLeavesNoServer kills a process that runs a cluster. Only Linux ends its servers then.
func TestKilledProcessLeavesNoServer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system cannot tie a process to its parent")
	}
	temporaryDirectory(t)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), victimVariable+"=1")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = command.Wait() }()
	defer func() { _ = command.Process.Kill() }()
	var members []realserver.Member
	lines := bufio.NewScanner(output)
	for range 2 {
		var pid int
		if !lines.Scan() {
			t.Fatal("the program printed nothing")
		}
		if _, err := fmt.Sscan(lines.Text(), &pid); err != nil {
			t.Fatalf("%q: %v", lines.Text(), err)
		}
		found, err := realserver.Tree(pid)
		if err != nil || len(found) == 0 {
			t.Fatalf("server %d: %v, %v", pid, found, err)
		}
		members = append(members, found...)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = realserver.Poll(ctx, func() (bool, error) {
		alive, err := realserver.AnyAlive(members)
		return !alive, err
	})
	if err != nil {
		t.Errorf("servers are left: %v", err)
	}
}
