// Package bench compares awsdb with the bare driver: what a call costs more,
// what an idle connection costs more, and how soon after a failover the first
// write succeeds. The benchmarks are in its tests, the other measurements are
// the programs under cmd; README.md shows the figures and how to get them.
package bench
