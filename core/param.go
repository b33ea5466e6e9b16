package core

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Param declares one setting. Parsing, validation, the "did you mean" of
// misspelt keys and the tables of the documentation come from it.
//
// Keys are compared without regard to case, '_' and '-', so that the camelCase
// spellings of the Go and JDBC wrappers need no alias of their own unless the
// words differ.
type Param struct {
	// Name is the canonical key, in snake_case.
	Name string
	// Aliases are other keys for the same setting, with the unit that a bare
	// number has there.
	Aliases []Alias
	// Kind is the type of the value.
	Kind Kind
	// Unit is what a bare number means for a Duration: time.Second for a key
	// that ends in _sec, time.Millisecond for one that ends in _ms.
	Unit time.Duration
	// Default is used when the key is absent; written like a value in a DSN.
	// Empty means the kind's zero value.
	Default string
	// Values lists what an Enum may be, in canonical spelling.
	Values []string
	// Min is the least Int or, in Units, the least Duration allowed.
	Min int64
	// Ignored accepts the key and does nothing: it configures a mechanism of the
	// other wrappers that awsdb does not need. Doc says why.
	Ignored bool
	// Doc is one sentence.
	Doc string
}

// Alias is another key of a Param.
type Alias struct {
	Name string
	Unit time.Duration // zero: the Param's
}

// Kind is the type of a Param.
type Kind uint8

// The kinds.
const (
	String   Kind = iota
	Bool          // true, false, 1, 0, on, off, yes, no
	Int           // a decimal number
	Duration      // a number in the key's unit, or a Go duration such as 30s
	Enum          // one of Values; case, '_' and '-' do not matter
)

var kindNames = [...]string{"string", "bool", "int", "duration", "enum"}

// String returns the kind's lower-case name.
func (k Kind) String() string { return kindNames[k] }

// Settings are the values of parameters, by canonical name, checked and
// converted. They come from TakeSettings and Connector.Settings, and are what
// the functions of an Info get; the zero value knows no parameter.
type Settings struct {
	values map[string]any
	given  map[string]bool
	prefix map[string]map[string]string
	unused []string // given parameters that are accepted without effect
	login  Login
}

// Format implements fmt.Formatter: no verb shows the values, as some are passwords.
func (s Settings) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("core.Settings")) }

// Login is what the connection string says of logging in, for plugins to know whether
// they are needed and what for.
func (s Settings) Login() Login { return s.login }

// Given tells that the parameter was set explicitly.
func (s Settings) Given(name string) bool { return s.given[name] }

// String returns the value of a String or Enum parameter.
func (s Settings) String(name string) string { v, _ := s.values[name].(string); return v }

// Bool returns the value of a Bool parameter.
func (s Settings) Bool(name string) bool { v, _ := s.values[name].(bool); return v }

// Int returns the value of an Int parameter.
func (s Settings) Int(name string) int { v, _ := s.values[name].(int64); return int(v) }

// Duration returns the value of a Duration parameter.
func (s Settings) Duration(name string) time.Duration {
	v, _ := s.values[name].(time.Duration)
	return v
}

// Prefixed returns the driver's own parameters that were given with a prefix,
// without it, see [MonitorPrefixes].
func (s Settings) Prefixed(prefix string) map[string]string { return s.prefix[prefix] }

// fold brings a key or an enum value to the form in which they are compared.
func fold(s string) string {
	return strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(s))
}

// parse converts one value. key is the spelling the user chose; unit belongs to
// that spelling.
func (p *Param) parse(key, value string, unit time.Duration) (any, error) {
	value = strings.TrimSpace(value)
	switch p.Kind {
	case Bool:
		switch strings.ToLower(value) {
		case "true", "1", "on", "yes", "t":
			return true, nil
		case "false", "0", "off", "no", "f":
			return false, nil
		}
		return nil, fmt.Errorf("%s=%q: want true or false", key, value)
	case Int:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < p.Min {
			return nil, fmt.Errorf("%s=%q: want a whole number of at least %d", key, value, p.Min)
		}
		return n, nil
	case Duration:
		return p.parseDuration(key, value, unit)
	case Enum:
		i := slices.IndexFunc(p.Values, func(v string) bool { return fold(v) == fold(value) })
		if i < 0 {
			return nil, fmt.Errorf("%s=%q: want one of %s", key, value, strings.Join(p.Values, ", "))
		}
		return p.Values[i], nil
	}
	return value, nil
}

func (p *Param) parseDuration(key, value string, unit time.Duration) (any, error) {
	if unit == 0 {
		unit = p.Unit
	}
	d, err := time.ParseDuration(value)
	if n, numErr := strconv.ParseFloat(value, 64); numErr == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
		d, err = time.Duration(n*float64(unit)), nil
	}
	least := time.Duration(p.Min) * p.Unit
	if err != nil || d < least || d > 365*24*time.Hour {
		return nil, fmt.Errorf("%s=%q: want a number in %s or a duration such as 30s or 500ms, at least %s", key, value, unitName(unit), least)
	}
	return d, nil
}

func unitName(unit time.Duration) string {
	switch unit {
	case time.Second:
		return "seconds"
	case time.Millisecond:
		return "milliseconds"
	}
	return unit.String()
}
