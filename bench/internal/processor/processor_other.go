//go:build !unix

// Package processor measures processor time.
package processor

import "time"

// Time is not known here.
func Time() (time.Duration, bool) { return 0, false }
