package cloud

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
)

const rdsVersion = "2014-10-31"

// DBCluster is a database cluster as RDS describes it.
type DBCluster struct {
	ID, Region, Engine       string // "mydb", "us-east-1", "aurora-postgresql"
	Endpoint, ReaderEndpoint string
	Port                     int
	Members                  []DBMember
	Global                   string // the global cluster it belongs to; "": none
	GlobalEndpoint           string
	CustomEndpoints          []CustomEndpoint
}

// DBMember is an instance of a cluster.
type DBMember struct {
	ID     string
	Writer bool
}

// CustomEndpoint is an endpoint that leads to some of the instances.
type CustomEndpoint struct {
	ID, Endpoint                   string
	Type                           string // "READER" or "ANY"
	Status                         string // default "available"
	StaticMembers, ExcludedMembers []string
}

// Describe lets the RDS API tell of the clusters that source gives, which is asked at each call; remove ends that. A cluster
// of package lab with Options.Cloud does so by itself.
func (c *Cloud) Describe(source func() []DBCluster) (remove func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last++
	number := c.last
	c.databases[number] = source
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.databases, number)
	}
}

// clusters are all clusters there are.
func (c *Cloud) clusters() []DBCluster {
	c.mu.Lock()
	var sources []func() []DBCluster
	for _, source := range c.databases {
		sources = append(sources, source)
	}
	c.mu.Unlock()
	var clusters []DBCluster
	for _, source := range sources {
		clusters = append(clusters, source()...)
	}
	slices.SortFunc(clusters, func(a, b DBCluster) int { return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.ID, b.ID)) })
	return clusters
}

// inRegion are the clusters of the region a request is for: the one it names, or all.
func (c *Cloud) inRegion(r *call) ([]DBCluster, *problem) {
	id := r.form.Get("DBClusterIdentifier")
	clusters := slices.DeleteFunc(c.clusters(), func(d DBCluster) bool {
		return d.Region != r.signer.region || id != "" && id != d.ID && id != c.clusterARN(d)
	})
	if id != "" && len(clusters) == 0 {
		return nil, &problem{status: http.StatusNotFound, code: "DBClusterNotFoundFault", message: "DBCluster " + id + " not found."}
	}
	return clusters, nil
}

func (c *Cloud) clusterARN(d DBCluster) string { return c.arn("rds", d.Region, "cluster:"+d.ID) }

// describeDBClusters serves [DescribeDBClusters].
func (c *Cloud) describeDBClusters(w http.ResponseWriter, r *call) *problem {
	type member struct {
		ID     string `xml:"DBInstanceIdentifier"`
		Writer bool   `xml:"IsClusterWriter"`
	}
	type cluster struct {
		ID       string   `xml:"DBClusterIdentifier"`
		ARN      string   `xml:"DBClusterArn"`
		Status   string   `xml:"Status"`
		Engine   string   `xml:"Engine"`
		Endpoint string   `xml:"Endpoint"`
		Reader   string   `xml:"ReaderEndpoint"`
		Port     int      `xml:"Port"`
		IAM      bool     `xml:"IAMDatabaseAuthenticationEnabled"`
		Members  []member `xml:"DBClusterMembers>DBClusterMember"`
	}
	var result struct {
		XMLName  xml.Name  `xml:"DescribeDBClustersResult"`
		Clusters []cluster `xml:"DBClusters>DBCluster"`
	}
	clusters, p := c.inRegion(r)
	for _, d := range clusters {
		described := cluster{
			ID: d.ID, ARN: c.clusterARN(d), Status: "available", Engine: d.Engine,
			Endpoint: d.Endpoint, Reader: d.ReaderEndpoint, Port: d.Port, IAM: true,
		}
		for _, m := range d.Members {
			described.Members = append(described.Members, member(m))
		}
		result.Clusters = append(result.Clusters, described)
	}
	if p == nil {
		answerResult(w, DescribeDBClusters, result)
	}
	return p
}

// describeGlobalClusters serves [DescribeGlobalClusters].
func (c *Cloud) describeGlobalClusters(w http.ResponseWriter, r *call) *problem {
	type member struct {
		ARN     string   `xml:"DBClusterArn"`
		Writer  bool     `xml:"IsWriter"`
		Readers []string `xml:"Readers>member"`
	}
	type global struct {
		ID       string   `xml:"GlobalClusterIdentifier"`
		ARN      string   `xml:"GlobalClusterArn"`
		Status   string   `xml:"Status"`
		Engine   string   `xml:"Engine"`
		Endpoint string   `xml:"Endpoint"`
		Members  []member `xml:"GlobalClusterMembers>GlobalClusterMember"`
	}
	var result struct {
		XMLName xml.Name `xml:"DescribeGlobalClustersResult"`
		Globals []global `xml:"GlobalClusters>GlobalClusterMember"`
	}
	id := r.form.Get("GlobalClusterIdentifier")
	for _, d := range c.clusters() {
		if d.Global == "" || id != "" && id != d.Global {
			continue
		}
		at := slices.IndexFunc(result.Globals, func(g global) bool { return g.ID == d.Global })
		if at < 0 {
			at = len(result.Globals)
			result.Globals = append(result.Globals, global{
				ID: d.Global, ARN: c.arn("rds", "", "global-cluster:"+d.Global), Status: "available", Engine: d.Engine, Endpoint: d.GlobalEndpoint,
			})
		}
		writer := slices.ContainsFunc(d.Members, func(m DBMember) bool { return m.Writer })
		result.Globals[at].Members = append(result.Globals[at].Members, member{ARN: c.clusterARN(d), Writer: writer})
	}
	if id != "" && len(result.Globals) == 0 {
		return &problem{status: http.StatusNotFound, code: "GlobalClusterNotFoundFault", message: "Global cluster " + id + " not found."}
	}
	answerResult(w, DescribeGlobalClusters, result)
	return nil
}

// describeDBClusterEndpoints serves [DescribeDBClusterEndpoints].
func (c *Cloud) describeDBClusterEndpoints(w http.ResponseWriter, r *call) *problem {
	type endpoint struct {
		ID         string   `xml:"DBClusterEndpointIdentifier,omitempty"`
		Cluster    string   `xml:"DBClusterIdentifier"`
		Endpoint   string   `xml:"Endpoint"`
		Status     string   `xml:"Status"`
		Type       string   `xml:"EndpointType"`
		CustomType string   `xml:"CustomEndpointType,omitempty"`
		Static     []string `xml:"StaticMembers>member"`
		Excluded   []string `xml:"ExcludedMembers>member"`
	}
	var result struct {
		XMLName   xml.Name   `xml:"DescribeDBClusterEndpointsResult"`
		Endpoints []endpoint `xml:"DBClusterEndpoints>DBClusterEndpointList"`
	}
	clusters, p := c.inRegion(r)
	if p != nil {
		return p
	}
	for _, d := range clusters {
		result.Endpoints = append(result.Endpoints,
			endpoint{Cluster: d.ID, Endpoint: d.Endpoint, Status: "available", Type: "WRITER"},
			endpoint{Cluster: d.ID, Endpoint: d.ReaderEndpoint, Status: "available", Type: "READER"})
		for _, e := range d.CustomEndpoints {
			result.Endpoints = append(result.Endpoints, endpoint{
				ID: e.ID, Cluster: d.ID, Endpoint: e.Endpoint, Status: cmp.Or(e.Status, "available"), Type: "CUSTOM",
				CustomType: e.Type, Static: e.StaticMembers, Excluded: e.ExcludedMembers,
			})
		}
	}
	if id := r.form.Get("DBClusterEndpointIdentifier"); id != "" {
		result.Endpoints = slices.DeleteFunc(result.Endpoints, func(e endpoint) bool { return e.ID != id })
	}
	answerResult(w, DescribeDBClusterEndpoints, result)
	return nil
}
