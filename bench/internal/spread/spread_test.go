package spread

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	got := Of([]float64{4, 2, 0, 8, 6, 1, 3, 5, 7, 9})
	if want := (Spread{1, 4.5, 8}); got != want { // 97.9 % for the 2nd and 9th of 10
		t.Errorf("%v, want %v", got, want)
	}
	if text := got.String(); text != "+4 (+1 to +8)" {
		t.Errorf("%q", text)
	}
}

func TestMedian(t *testing.T) {
	if got := Median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("%v, want 5", got)
	}
}

func TestCut(t *testing.T) {
	got := map[int]int{}
	for _, n := range []int{1, 6, 8, 9, 10, 20} {
		got[n] = cut(n)
	}
	want := map[int]int{1: 0, 6: 0, 8: 0, 9: 1, 10: 1, 20: 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values left out (-want +got):\n%s", diff)
	}
}
