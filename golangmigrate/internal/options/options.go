// Package options reads the parameters of a database URL that are golang-migrate's own.
package options

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/awsdb/awsdb/core"
)

// prefix is how their names begin.
const prefix = "x-"

// Options are such parameters. What is wrong with them is collected for Err.
type Options struct {
	values   map[string]string
	problems []error
}

// Take takes the options out of a URL or DSN, and leaves every other byte of it as it is. An option that is not
// among known is a mistake: a misspelt x-migrations-table would be a new table, and all migrations run again.
func Take(databaseURL string, known ...string) (rest string, o *Options) {
	o = &Options{values: map[string]string{}}
	mark := strings.LastIndexByte(databaseURL, '?')
	if mark < 0 {
		return databaseURL, o
	}
	before, query := databaseURL[:mark], databaseURL[mark+1:]
	var others []string
	for param := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(param, prefix) {
			others = append(others, param)
			continue
		}
		name, escaped, _ := strings.Cut(param, "=")
		value, err := url.QueryUnescape(escaped)
		switch {
		case !slices.Contains(known, name) && strings.Contains(query, "@"): // which is where a password with a ? ends
			o.problem(fmt.Errorf("what begins with x- is not known: want %s", strings.Join(known, ", ")))
		case !slices.Contains(known, name):
			o.problem(fmt.Errorf("%s is not known: want %s", name, strings.Join(known, ", ")))
		case err != nil:
			o.problem(fmt.Errorf("%s: %w", name, err))
		default:
			o.values[name] = value
		}
	}
	if len(others) == 0 && !strings.Contains(before, "?") {
		return before, o
	}
	return before + "?" + strings.Join(others, "&"), o
}

func (o *Options) problem(err error) {
	o.problems = append(o.problems, fmt.Errorf("%w: %w", core.ErrConfig, err))
}

// Err tells of every mistake, and matches core.ErrConfig. It is nil if there is none.
func (o *Options) Err() error { return errors.Join(o.problems...) }

// Text returns an option as it is, "" if it is absent.
func (o *Options) Text(name string) string { return o.values[name] }

// Bool returns an option that is true or false; absent, it is false.
func (o *Options) Bool(name string) bool {
	value := o.values[name]
	if value == "" {
		return false
	}
	on, err := strconv.ParseBool(value)
	if err != nil {
		o.problem(fmt.Errorf("%s=%q: want true or false", name, value))
	}
	return on
}

// Int returns an option that is a number from 0 on; absent, it is 0.
func (o *Options) Int(name string) int {
	value := o.values[name]
	if value == "" {
		return 0
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		o.problem(fmt.Errorf("%s=%q: want a number", name, value))
	}
	return int(n) //nolint:gosec // 31 bits
}

// Milliseconds returns an option that is a number of milliseconds; absent, it is 0.
func (o *Options) Milliseconds(name string) time.Duration {
	return time.Duration(o.Int(name)) * time.Millisecond
}
