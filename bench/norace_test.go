//go:build !race

package bench

// poolNoise is how much of the bytes of a COPY may differ by chance.
const poolNoise = 0
