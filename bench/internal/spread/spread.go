// Package spread says how sure a repeated measurement is.
package spread

import (
	"fmt"
	"slices"
)

// Spread is the median of some measurements and its 95 % confidence interval.
type Spread struct{ Low, Median, High float64 }

// Of is the Spread of at least one value. It assumes nothing about their
// distribution.
func Of(values []float64) Spread {
	sorted := slices.Sorted(slices.Values(values))
	k := cut(len(sorted))
	return Spread{sorted[k], Median(sorted), sorted[len(sorted)-1-k]}
}

// String is "+60 (+50 to +80)".
func (s Spread) String() string {
	return fmt.Sprintf("%+.0f (%+.0f to %+.0f)", s.Median, s.Low, s.High)
}

// Median is that of at least one value.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// cut is how many values to leave out at both ends of n sorted ones so that the
// rest spans the true median with at least 95 % confidence. How many values lie
// below the median is binomially distributed, whatever the values'
// distribution.
func cut(n int) int {
	probability := 1.0 // of none below
	for range n {
		probability /= 2
	}
	sum := 0.0
	for k := 0; ; k++ {
		sum += probability // of at most k below
		if 2*sum > 0.05 {
			return max(k-1, 0)
		}
		probability *= float64(n-k) / float64(k+1)
	}
}
