package secrets

import (
	"sync"
	"time"
)

// memory is what logins tell each other.
type memory struct {
	mu sync.Mutex // never held while something is waited for
	// refused are the credentials that a server has refused lately, and when last.
	refused map[credentials]time.Time
	// rotation is what was found when a rotation was last looked for.
	rotation rotation
	// known are the last credentials that came as AWSCURRENT, by region.
	known map[string]secret
}

// refusalCounts is how long a refusal says something about the next login. A rotation takes
// seconds.
const refusalCounts = time.Minute

// refuse notes a refusal and returns whether the same was refused lately.
func (m *memory) refuse(c credentials) (before bool) {
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for other, at := range m.refused {
		if now.Sub(at) >= refusalCounts {
			delete(m.refused, other)
		}
	}
	if m.refused == nil {
		m.refused = map[credentials]time.Time{}
	}
	_, before = m.refused[c]
	m.refused[c] = now
	return before
}

// refusedAt is when the credentials were last refused, zero if they were not lately.
func (m *memory) refusedAt(c credentials) time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if at := m.refused[c]; time.Since(at) < refusalCounts {
		return at
	}
	return time.Time{}
}

// look notes whether a rotation is under way, and returns whether that is news.
func (m *memory) look(r rotation) (news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	news = m.rotation != r
	m.rotation = r
	return news
}

// doubts tells that other credentials may be better: these were refused lately, and when a
// rotation was last looked for it could not be ruled out.
func (m *memory) doubts(c credentials) bool {
	return m.rotating() && !m.refusedAt(c).IsZero()
}

// rotating tells that when a rotation was last looked for it could not be ruled out.
func (m *memory) rotating() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rotation == rotationUnderWay || m.rotation == rotationUnknown
}

// older returns whichever of the current and the pending version it is the turn of: the one
// whose refusal is longer ago. The one that is right is refused no more, and so its turn comes.
func (m *memory) older(v versions) secret {
	if v.rotation == rotationUnderWay && m.refusedAt(v.pending.credentials).Before(m.refusedAt(v.current.credentials)) {
		return v.pending
	}
	return v.current
}

// keep notes what came as AWSCURRENT.
func (m *memory) keep(region string, s secret) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]secret{}
	}
	m.known[region] = s
}

// kept returns what came as AWSCURRENT last.
func (m *memory) kept(region string) (s secret, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, ok = m.known[region]
	return s, ok
}
