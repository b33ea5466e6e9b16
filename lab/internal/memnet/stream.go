package memnet

import (
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// stream is one direction of a connection: segments in order, and possibly an end.
// mu is only ever held for a moment, never while waiting.
type stream struct {
	mu       sync.Mutex
	segments []segment
	end      error // io.EOF or ECONNRESET; nil while the sender has not ended it
	endAt    time.Time
	heldFrom time.Time     // what would arrive after this instant stays away; zero: not held
	deadline time.Time     // of the reader
	closed   bool          // by the reader
	change   chan struct{} // made by a waiting reader, closed by whoever changes something
}

// segment is the data of one write.
type segment struct {
	at   time.Time // of arrival
	data []byte
}

func (s *stream) read(p []byte) (int, error) {
	for {
		n, wait, change, err := s.poll(p)
		if change == nil {
			return n, err
		}
		if wait < 0 {
			<-change
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-change:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// poll does what a read can do at this instant. A non-nil change means: nothing; try again when change is
// closed or wait has passed (negative: no time limit).
func (s *stream) poll(p []byte) (n int, wait time.Duration, change chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case s.closed:
		return 0, 0, nil, net.ErrClosed
	case !s.deadline.IsZero() && !s.deadline.After(now):
		return 0, 0, nil, os.ErrDeadlineExceeded
	case len(p) == 0:
		return 0, 0, nil, nil
	case len(s.segments) > 0 && s.arrived(s.segments[0].at, now):
		return s.take(p, now), 0, nil, nil
	case len(s.segments) == 0 && s.end != nil && s.arrived(s.endAt, now):
		return 0, 0, nil, s.end
	}
	if s.change == nil {
		s.change = make(chan struct{})
	}
	return 0, s.next(now), s.change, nil
}

// arrived reports whether what is due at the given time is there.
func (s *stream) arrived(at, now time.Time) bool {
	return !at.After(now) && (s.heldFrom.IsZero() || !at.After(s.heldFrom))
}

// take moves arrived bytes to p.
func (s *stream) take(p []byte, now time.Time) int {
	n, done := 0, 0
	for i := range s.segments {
		segment := &s.segments[i]
		if n == len(p) || !s.arrived(segment.at, now) {
			break
		}
		k := copy(p[n:], segment.data)
		n += k
		if segment.data = segment.data[k:]; len(segment.data) > 0 {
			break
		}
		done = i + 1
	}
	s.segments = slices.Delete(s.segments, 0, done)
	return n
}

// next is how long the reader has to wait at most; negative: until something changes.
func (s *stream) next(now time.Time) time.Duration {
	var next time.Time
	if s.heldFrom.IsZero() {
		if len(s.segments) > 0 {
			next = s.segments[0].at
		} else if s.end != nil {
			next = s.endAt
		}
	}
	if !s.deadline.IsZero() && (next.IsZero() || s.deadline.Before(next)) {
		next = s.deadline
	}
	if next.IsZero() {
		return -1
	}
	return next.Sub(now)
}

func (s *stream) wake() {
	if s.change != nil {
		close(s.change)
		s.change = nil
	}
}

// append adds data arriving at the given time; false when the reader has gone.
func (s *stream) append(data []byte, at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if len(data) > 0 && s.end == nil {
		s.segments = append(s.segments, segment{at: at, data: slices.Clone(data)})
		s.wake()
	}
	return true
}

// finish ends the stream behind what is on its way.
func (s *stream) finish(end error, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		s.end, s.endAt = end, at
		s.wake()
	}
}

// close is the reader's. It reports whether something had arrived unread, and whether this was the first call.
func (s *stream) close() (unread, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false, false
	}
	unread = len(s.segments) > 0 && s.arrived(s.segments[0].at, time.Now())
	s.closed, s.segments = true, nil
	s.wake()
	return unread, true
}

func (s *stream) hold(on bool, delay time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	switch {
	case on && s.heldFrom.IsZero():
		s.heldFrom = now
	case !on && !s.heldFrom.IsZero():
		// What was held is sent again now, each connection with its own delay.
		again := now.Add(delay)
		for i := range s.segments {
			if at := s.segments[i].at; at.After(s.heldFrom) && at.Before(again) {
				s.segments[i].at = again
			}
		}
		if s.end != nil && s.endAt.After(s.heldFrom) && s.endAt.Before(again) {
			s.endAt = again
		}
		s.heldFrom = time.Time{}
	}
	s.wake()
}

func (s *stream) setDeadline(t time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.deadline = t
	s.wake()
	return true
}

func (s *stream) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// endedBy reports whether the given end has arrived, whether or not there is data to read before it.
func (s *stream) endedBy(now time.Time, end error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.end != nil && errors.Is(s.end, end) && s.arrived(s.endAt, now)
}

func (s *stream) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, segment := range s.segments {
		n += len(segment.data)
	}
	return n
}
