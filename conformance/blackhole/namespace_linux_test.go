package blackhole

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/lab"
)

// inside is the variable that tells a process that it runs in the namespace.
const inside = "AWSDB_BLACKHOLE"

// outside is why this process runs no test in a namespace; nil if it does.
var outside error

// TestMain runs the tests in another process, in a network namespace of its own.
func TestMain(m *testing.M) {
	switch {
	case os.Getenv(inside) != "":
		if err := prepare(); err != nil {
			fmt.Fprintln(os.Stderr, "blackhole:", err)
			os.Exit(1)
		}
		flag.Parse()
		if err := flag.Set("test.parallel", "16"); err != nil { // the tests do little but wait
			panic(err)
		}
		goleak.VerifyTestMain(m)
	case os.Getenv("AWSDB_UNIT") == "1":
		outside = errors.New("AWSDB_UNIT=1: needs ip and nft")
	default:
		var code int
		if code, outside = enter(); outside == nil {
			os.Exit(code)
		}
	}
	os.Exit(m.Run()) // every test skips itself
}

// enter runs this program again in a namespace, as root or, where that is permitted, as somebody who is root there
// only. It returns its exit status, or why there can be no namespace.
func enter() (code int, err error) {
	runtime.LockOSThread() // the end of the thread would be the parent's death to the kernel
	defer runtime.UnlockOSThread()
	for _, flags := range []uintptr{syscall.CLONE_NEWNET, syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER} {
		command := exec.Command("/proc/self/exe", os.Args[1:]...)
		command.Env = append(os.Environ(), inside+"=1")
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
		command.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Pdeathsig: syscall.SIGKILL}
		if flags&syscall.CLONE_NEWUSER != 0 {
			command.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			command.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		err = command.Run()
		var failed *exec.ExitError
		switch {
		case err == nil:
			return 0, nil
		case errors.As(err, &failed):
			return max(1, failed.ExitCode()), nil // -1: killed
		}
	}
	return 0, fmt.Errorf("no network namespace can be made here: %w", err)
}

// rules drop what goes to the ports in the set requests and what comes from those in the set answers.
const rules = `table inet lab {
	set requests { type inet_service; }
	set answers { type inet_service; }
	chain input {
		type filter hook input priority 0;
		tcp dport @requests drop
		tcp sport @answers drop
	}
}`

// prepare makes the new namespace fit for the lab.
func prepare() error {
	// Where ip and nft are, and not everybody looks.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if err := run("ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	return run("nft", rules)
}

func run(program string, args ...string) error {
	if output, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s (apt-get install iproute2 nftables)", program, strings.Join(args, " "), err, output)
	}
	return nil
}

// loss is which packets are dropped.
type loss []string

var (
	everything  = loss{"requests", "answers"}
	answersOnly = loss{"answers"} // the acknowledgements included
)

// drop makes an instance a black hole until the returned function is called, or the test ends.
func drop(t *testing.T, i *lab.Instance, what loss) (heal func()) {
	t.Helper()
	return dropPort(t, i.ListenAddr(), what)
}

// dropPort is drop for whoever has an address: an instance, or one end of a connection.
func dropPort(t *testing.T, addr string, what loss) (heal func()) {
	t.Helper()
	_, port, ok := strings.Cut(addr, ":")
	if _, err := strconv.Atoi(port); !ok || err != nil {
		t.Fatalf("%q has no port", addr)
	}
	change := func(how string, sets loss) {
		for _, set := range sets {
			if err := run("nft", how, "element", "inet", "lab", set, "{", port, "}"); err != nil {
				t.Error(err)
			}
		}
	}
	change("add", what)
	left := what
	heal = func() {
		change("delete", left)
		left = nil
	}
	t.Cleanup(heal)
	return heal
}
