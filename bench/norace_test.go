//go:build !race

package bench

// raceDetector is of use with -race only.
const raceDetector = false
