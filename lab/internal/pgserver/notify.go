package pgserver

import (
	"sort"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// listen takes effect at once, not at commit as in the real server.
func (s *session) listen(channel string) {
	s.inboxMu.Lock()
	defer s.inboxMu.Unlock()
	s.channels[channel] = true
}

// unlisten ends listening to a channel, or to all with "".
func (s *session) unlisten(channel string) {
	s.inboxMu.Lock()
	defer s.inboxMu.Unlock()
	if channel == "" {
		clear(s.channels)
		return
	}
	delete(s.channels, channel)
}

// deliver hands notifications to the listening sessions of this instance.
func (s *Server) deliver(list []sqlengine.Notification) {
	s.mu.Lock()
	sessions := make([]*session, 0, len(s.sessions))
	for _, session := range s.sessions {
		sessions = append(sessions, session)
	}
	s.mu.Unlock()
	sortSessions(sessions)
	for _, session := range sessions {
		session.receive(list)
	}
}

// sortSessions brings sessions into an order that does not depend on a map.
func sortSessions(sessions []*session) {
	sort.Slice(sessions, func(i, j int) bool { return sessions[i].pid < sessions[j].pid })
}

// receive queues notifications for a session and wakes it if it is idle.
func (s *session) receive(list []sqlengine.Notification) {
	s.inboxMu.Lock()
	for _, n := range list {
		if s.channels[n.Channel] {
			s.inbox = append(s.inbox, n)
		}
	}
	pending := len(s.inbox) > 0
	s.inboxMu.Unlock()
	if pending {
		select {
		case s.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// sendNotifications puts what has arrived into the output, outside of transaction blocks only. It reports whether there was any.
func (s *session) sendNotifications() bool {
	if s.engine.InBlock() {
		return false
	}
	s.inboxMu.Lock()
	list := s.inbox
	s.inbox = nil
	s.inboxMu.Unlock()
	for _, n := range list {
		s.backend.Send(&pgproto3.NotificationResponse{PID: n.PID, Channel: n.Channel, Payload: n.Payload})
	}
	return len(list) > 0
}
