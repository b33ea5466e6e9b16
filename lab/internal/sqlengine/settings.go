package sqlengine

import (
	"strings"
)

// Scope is how long the value of a setting lasts.
type Scope int

// The scopes.
const (
	AtLogin        Scope = iota // the session's own default; a rollback does not take it back
	ForSession                  // for the session, unless the transaction it was set in is rolled back
	ForTransaction              // until the open transaction ends
)

// scopeOf is the scope of SET, and with local that of SET LOCAL.
func scopeOf(local bool) Scope {
	if local {
		return ForTransaction
	}
	return ForSession
}

// Setting is the value of a setting as the session sees it. Case does not matter.
func (s *Session) Setting(name string) (value string, ok bool) {
	if s.dialect().Settings == nil {
		return "", false
	}
	return s.dialect().Settings.Value(s, strings.ToLower(name))
}

// Set changes a setting if the dialect lets it. Case does not matter.
func (s *Session) Set(name, value string, scope Scope) error {
	if s.dialect().Settings == nil {
		return unknownSetting(name)
	}
	return s.dialect().Settings.Set(s, strings.ToLower(name), value, scope)
}

func (s *Session) settingNames() []string {
	if s.dialect().Settings == nil {
		return nil
	}
	return s.dialect().Settings.Names(s)
}

func unknownSetting(name string) error {
	return Errorf("42704", "unrecognized configuration parameter \"%s\"", name)
}

// Kept is the value of a setting that has been given to Keep, if any.
func (s *Session) Kept(name string) (value string, ok bool) {
	if value, ok = s.settings[name]; !ok {
		value, ok = s.initial[name]
	}
	return value, ok
}

// Keep stores a value of a setting, for the Settings of a dialect.
func (s *Session) Keep(name, value string, scope Scope) {
	if scope == AtLogin {
		s.initial[name] = value
		return
	}
	s.assign(name, &value, scope)
}

// ResetSettings puts all settings back to what they were at login.
func (s *Session) ResetSettings() {
	for _, name := range sortedKeys(s.settings) {
		s.assign(name, nil, ForSession)
	}
}

// reset puts a setting back to what it was at login.
func (s *Session) reset(name string, scope Scope) error {
	name = strings.ToLower(name)
	if _, ok := s.Setting(name); !ok && !strings.Contains(name, ".") {
		return unknownSetting(name)
	}
	s.assign(name, nil, scope)
	return nil
}

// assign changes what the session has set; nil means nothing. What is to be taken back later the open transaction knows.
func (s *Session) assign(name string, value *string, scope Scope) {
	before, existed := s.settings[name]
	restore := func() {
		if existed {
			s.settings[name] = before
		} else {
			delete(s.settings, name)
		}
	}
	if value == nil {
		delete(s.settings, name)
	} else {
		s.settings[name] = *value
	}
	if s.tx == nil {
		return
	}
	s.tx.undo = append(s.tx.undo, restore)
	if scope == ForTransaction {
		s.tx.atEnd = append(s.tx.atEnd, restore)
	}
}
