package cloud

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"testing"
)

// described is what the three operations answer with, as far as clients look at it.
type described struct {
	Clusters []struct {
		ID      string `xml:"DBClusterIdentifier"`
		ARN     string `xml:"DBClusterArn"`
		Members []struct {
			ID     string `xml:"DBInstanceIdentifier"`
			Writer bool   `xml:"IsClusterWriter"`
		} `xml:"DBClusterMembers>DBClusterMember"`
	} `xml:"DescribeDBClustersResult>DBClusters>DBCluster"`
	Globals []struct {
		ID      string `xml:"GlobalClusterIdentifier"`
		Members []struct {
			ARN    string `xml:"DBClusterArn"`
			Writer bool   `xml:"IsWriter"`
		} `xml:"GlobalClusterMembers>GlobalClusterMember"`
	} `xml:"DescribeGlobalClustersResult>GlobalClusters>GlobalClusterMember"`
	Endpoints []struct {
		Cluster  string `xml:"DBClusterIdentifier"`
		Endpoint string
		Type     string   `xml:"EndpointType"`
		Static   []string `xml:"StaticMembers>member"`
	} `xml:"DescribeDBClusterEndpointsResult>DBClusterEndpoints>DBClusterEndpointList"`
}

func TestDescribe(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		identity := c.AddIdentity("app", Policy{})
		describe := func(region, action, key, value string) (described, answer) {
			parameters := url.Values{}
			if key != "" {
				parameters.Set(key, value)
			}
			a := mustSend(t, c, rdsRequest(t, identity, region, action, parameters))
			var d described
			if a.status == http.StatusOK {
				if err := xml.Unmarshal([]byte(a.body), &d); err != nil {
					t.Fatal(err)
				}
			}
			return d, a
		}
		remove := c.Describe(func() []DBCluster {
			return []DBCluster{
				{
					ID: "mydb", Region: "us-east-1", Endpoint: "w", ReaderEndpoint: "r", Global: "g", Members: []DBMember{{"mydb-1", true}, {"mydb-2", false}},
					CustomEndpoints: []CustomEndpoint{{ID: "reports", Endpoint: "c", Type: "READER", StaticMembers: []string{"mydb-2", "mydb-3"}}},
				},
				{ID: "mydb-eu", Region: "eu-west-1", Global: "g", Members: []DBMember{{"mydb-eu-1", false}}},
			}
		})
		d, _ := describe("us-east-1", "DescribeDBClusters", "", "")
		wantEqual(t, "clusters of the region", len(d.Clusters), 1)
		wantEqual(t, "its ARN", d.Clusters[0].ARN, "arn:aws:rds:us-east-1:123456789012:cluster:mydb")
		wantEqual(t, "its writer", d.Clusters[0].Members[0].ID == "mydb-1" && d.Clusters[0].Members[0].Writer && !d.Clusters[0].Members[1].Writer, true)
		d, _ = describe("eu-west-1", "DescribeDBClusters", "DBClusterIdentifier", "arn:aws:rds:eu-west-1:123456789012:cluster:mydb-eu")
		wantEqual(t, "a cluster by ARN", len(d.Clusters) == 1 && d.Clusters[0].ID == "mydb-eu", true)

		d, _ = describe("eu-west-1", "DescribeGlobalClusters", "GlobalClusterIdentifier", "g")
		wantEqual(t, "members in two regions", len(d.Globals) == 1 && len(d.Globals[0].Members) == 2, true)
		for _, m := range d.Globals[0].Members {
			wantEqual(t, m.ARN, m.Writer, m.ARN == "arn:aws:rds:us-east-1:123456789012:cluster:mydb")
		}

		d, _ = describe("us-east-1", "DescribeDBClusterEndpoints", "DBClusterIdentifier", "mydb")
		var endpoints []string
		for _, e := range d.Endpoints {
			endpoints = append(endpoints, e.Type+" "+e.Endpoint)
		}
		wantEqual(t, "endpoints", endpoints, []string{"WRITER w", "READER r", "CUSTOM c"})
		d, _ = describe("us-east-1", "DescribeDBClusterEndpoints", "DBClusterEndpointIdentifier", "reports")
		wantEqual(t, "custom endpoint", len(d.Endpoints), 1)
		wantEqual(t, "members", d.Endpoints[0].Static, []string{"mydb-2", "mydb-3"})

		for action, keys := range map[string][2]string{
			"DescribeDBClusters": {"DBClusterIdentifier", "DBClusterNotFoundFault"}, "DescribeDBClusterEndpoints": {"DBClusterIdentifier", "DBClusterNotFoundFault"},
			"DescribeGlobalClusters": {"GlobalClusterIdentifier", "GlobalClusterNotFoundFault"},
		} {
			_, a := describe("us-east-1", action, keys[0], "mydb-eu")
			wantProblem(t, a, http.StatusNotFound, keys[1])
		}
		remove()
		d, _ = describe("us-east-1", "DescribeDBClusters", "", "")
		wantEqual(t, "after its end", len(d.Clusters), 0)
	})
}
