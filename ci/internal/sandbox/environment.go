package sandbox

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/awsdb/awsdb/ci/internal/workspace"
)

// settings are the go command's settings on this machine, as `go env` tells them.
type settings struct {
	GOPROXY    string
	GONOSUMDB  string
	GOMODCACHE string
}

func machineSettings(ctx context.Context) (settings, error) {
	output, err := exec.CommandContext(ctx, "go", "env", "-json", "GOPROXY", "GONOSUMDB", "GOMODCACHE").Output()
	if err != nil {
		return settings{}, fmt.Errorf("ask go env for the machine's settings: %w", err)
	}
	var machine settings
	if err := json.Unmarshal(output, &machine); err != nil {
		return settings{}, fmt.Errorf("read the answer of go env: %w", err)
	}
	return machine, nil
}

// environment returns the settings under which the go command takes our
// modules from the folder proxy, others from what the machine has downloaded
// already (a module cache is laid out as a proxy, too), and only then asks the
// machine's own proxies.
func environment(proxy, moduleCache string, own []string, machine settings) []string {
	proxies := []string{fileURL(proxy), fileURL(filepath.Join(machine.GOMODCACHE, "cache", "download"))}
	if machine.GOPROXY != "" {
		proxies = append(proxies, machine.GOPROXY)
	}
	unchecked := own
	if machine.GONOSUMDB != "" {
		unchecked = append(strings.Split(machine.GONOSUMDB, ","), own...)
	}
	return []string{
		"GOWORK=off",
		// A file: URL is asked for our modules even where GOPRIVATE names them.
		"GOPRIVATE=",
		"GONOPROXY=none",
		"GOPROXY=" + strings.Join(proxies, ","),
		// No checksum database has seen what is not published yet.
		"GONOSUMDB=" + strings.Join(unchecked, ","),
		"GOMODCACHE=" + moduleCache,
		// -trimpath: the build cache then knows packages from an earlier sandbox.
		// -modcacherw: an ordinary user can delete the sandbox.
		"GOFLAGS=-trimpath -modcacherw -buildvcs=false",
	}
}

func fileURL(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

func ownPatterns(work *workspace.Workspace) []string {
	patterns := make([]string, 0, len(work.Modules))
	for _, own := range work.Modules {
		patterns = append(patterns, own.Path)
	}
	return patterns
}
