package awsauth

import (
	"strings"
	"testing"

	"github.com/awsdb/awsdb/core"
)

func TestCheckRegion(t *testing.T) {
	for _, region := range []string{"us-east-1", "eu-central-2", "ap-southeast-12", "us-gov-west-1", "us-iso-east-1", "eusc-de-east-1", "cn-north-1", "mx-central-1"} {
		if err := CheckRegion(region); err != nil {
			t.Error(err)
		}
	}
	for _, region := range []string{"", "us", "us-east", "us-1", "us-east-1a", "US-EAST-1", "us_east_1", " us-east-1", "us-east-1\n", "us--1", "-east-1", "us-east-", "us-east-1-", "us-e1st-1",
		"us-east-1.rds", "ü-east-1", strings.Repeat("us-", 20) + "1"} {
		if err := CheckRegion(region); err == nil {
			t.Errorf("%q is taken for a region", region)
		}
	}
}

func TestCheckRegionOf(t *testing.T) {
	tests := []struct {
		host, region string
		ok           bool
	}{
		{cluster, "us-east-1", true},
		{cluster, "us-east-2", false},
		{cluster, "cn-north-1", false},
		{global, "us-east-2", true},
		{global, "us-gov-west-1", true},
		{global, "cn-north-1", false},
		{global, "us-isob-east-1", false},
		{"mydb.global-abcdefghijkl.global.rds.amazonaws.com.cn", "cn-north-1", true},
		{"mydb.global-abcdefghijkl.global.rds.amazonaws.com.cn", "us-east-1", false},
		{"mydb.cluster-c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn", "cn-north-1", true},
		{"mydb.cluster-c9xyz0abcdef.rds.cn-north-1.amazonaws.com.cn", "cn-northwest-1", false},
		{"localhost", "us-east-1", true},
		{"10.0.0.1", "us-east-1", true},
		{"", "us-east-1", true},
	}
	for _, test := range tests {
		if err := checkRegionOf(test.host, test.region); (err == nil) != test.ok {
			t.Errorf("%s in %s: %v", test.host, test.region, err)
		}
	}
}

// Whatever is taken for a region can be part of a host name.
func FuzzCheckRegion(f *testing.F) {
	for _, region := range []string{"us-east-1", "us-gov-west-1", "eusc-de-east-1", "us-east-1a", "-1", ""} {
		f.Add(region)
	}
	f.Fuzz(func(t *testing.T, region string) {
		if CheckRegion(region) != nil {
			return
		}
		host := "mydb.c9xyz0abcdef." + region + ".rds.amazonaws.com"
		if got := core.ParseEndpoint(host).Region; got != region {
			t.Errorf("%q is a region, but a host's is %q", region, got)
		}
	})
}
