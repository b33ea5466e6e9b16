package realserver

import (
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// CopyTree copies the directory from to to, which must not exist, and gives the copy to who. Of what is neither a file
// nor a directory, it makes no copy.
func CopyTree(from, to string, who Account) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, relative)
		switch {
		case entry.IsDir():
			err = os.Mkdir(target, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(path, target)
		default:
			return nil
		}
		if err != nil {
			return err
		}
		return who.Adopt(target)
	})
}

// copyFile leaves it to the kernel to share the blocks where the file system can.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}

// WriteFile replaces path by a file of the account's with these permissions, in one step.
func WriteFile(who Account, path, content string, permissions fs.FileMode) error {
	draft := path + ".draft"
	if err := os.WriteFile(draft, []byte(content), permissions); err != nil {
		return err
	}
	if err := os.Chmod(draft, permissions); err != nil { // whatever the umask
		return err
	}
	if err := who.Adopt(draft); err != nil {
		return err
	}
	return os.Rename(draft, path)
}

// MakeDirectory makes a directory of the account's that nobody else gets into.
func MakeDirectory(who Account, path string) error {
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	return who.Adopt(path)
}

// FreePort returns a port of 127.0.0.1 below the range that systems take the ports of outgoing connections from: while the
// server is down, such a connection could take its port, or a client that dials it could even be connected to itself.
func FreePort(taken []int) (int, error) {
	const first, count = 15000, 17000
	for range 200 {
		port := first + rand.IntN(count)
		if slices.Contains(taken, port) {
			continue
		}
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		return port, listener.Close()
	}
	return 0, fmt.Errorf("no free port between %d and %d on 127.0.0.1", first, first+count)
}
