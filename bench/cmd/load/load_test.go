package main

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/awsdb/awsdb/bench/internal/database"
	"github.com/awsdb/awsdb/bench/internal/spread"
	"github.com/awsdb/awsdb/lab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestJudge(t *testing.T) {
	even := spread.Spread{Low: 0.99, Median: 1, High: 1.01}
	for name, test := range map[string]struct {
		row  row
		want string
	}{
		"even":                {row{throughput: even}, "holds"},
		"slow":                {row{throughput: spread.Spread{Low: 0.90, Median: 0.95, High: 0.96}}, missedTarget},
		"noisy":               {row{throughput: spread.Spread{Low: 0.90, Median: 0.95, High: 0.98}}, "undecided"},
		"fast":                {row{throughput: spread.Spread{Low: 1.1, Median: 1.2, High: 1.3}}, "holds"},
		"2 MiB":               {row{throughput: even, live: [2]float64{1 << 20, 3 << 20}}, "holds"},
		"more than 2 MiB":     {row{throughput: even, live: [2]float64{1 << 20, 3<<20 + 1}}, missedTarget},
		"more of them unused": {row{throughput: even, rest: [2]float64{1 << 20, 3<<20 + 1}}, missedTarget},
	} {
		if got := test.row.judge(throughputTarget(database.PostgreSQL)); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestString(t *testing.T) {
	r := row{
		bare: 12345, throughput: spread.Spread{Low: 0.96, Median: 0.975, High: 1.01}, processor: spread.Spread{Low: 1, Median: 1.02, High: 1.05},
		live: [2]float64{5_000_000, 5_100_000}, rest: [2]float64{3_000_000, 2_990_000},
	}
	if got, want := r.String(), "12345 | -2.5 % (-4.0 to +1.0) | +2.0 % (+0.0 to +5.0) | 5000 | +100 | -10"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Both measurements, with as little as there can be to measure.
func TestMeasurements(t *testing.T) {
	for _, d := range []database.Database{database.PostgreSQL, database.MySQL, database.Pgxpool} {
		for _, s := range detections {
			t.Run(d.Name+" "+s.Name, func(t *testing.T) {
				cluster, err := lab.Start(lab.Options{Flavor: d.Flavor})
				if err != nil {
					t.Fatal(err)
				}
				defer cluster.Close()
				r, err := takeTurns(t.Context(), d, database.To(cluster), s, 2, 2*turn)
				if err != nil {
					t.Fatal(err)
				}
				if r.bare <= 0 || r.throughput.Median <= 0 || r.processor.Median <= 0 {
					t.Errorf("not measured: %+v", r)
				}
				for _, name := range []string{database.Bare, database.AWSDB} {
					m := measurement{Engine: d.Name, Contestant: name, Detection: s, Workers: 2, Time: turn}
					u, err := m.observe(t.Context(), database.To(cluster))
					if err != nil || u.Live <= 0 || u.Rest <= 0 {
						t.Errorf("%s: %+v, %v", name, u, err)
					}
				}
			})
		}
	}
}
