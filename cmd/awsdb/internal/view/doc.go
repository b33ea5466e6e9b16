// Package view shows a run of package demo: live on a terminal, as plain lines,
// as a table at the end, or as JSON.
package view
