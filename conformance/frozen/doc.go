// Package frozen stops a whole application for much longer than all the times it has
// been given, and lets it run on, as happens to a function on a suspended machine or to
// a laptop that is closed: from one instant to the next all its timers have expired, and
// all answers have arrived. That is no sign of any host's health. All of it is in the
// tests; the application is the test program itself, started again.
package frozen
