//go:build race

package bench

// raceDetector tells that a sync.Pool, such as pgx has for COPY, drops at random what it is given.
const raceDetector = true
