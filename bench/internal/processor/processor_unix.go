//go:build unix

// Package processor measures processor time.
package processor

import (
	"syscall"
	"time"
)

// Time is how long this process has run on a processor so far, user and system
// time together; false where it is not known. Unlike elapsed time it does not
// depend on what else the machine does.
func Time() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
