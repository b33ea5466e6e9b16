//go:build race

package bench

// poolNoise is how much of the bytes of a COPY may differ by chance: with the race detector a
// sync.Pool, such as pgx has for COPY, drops at random what it is given.
const poolNoise = 0.1
