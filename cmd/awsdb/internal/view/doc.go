// Package view shows a run of package demo: live on a terminal, as plain lines,
// as a table at the end, as JSON, or as a picture of a failover.
package view
