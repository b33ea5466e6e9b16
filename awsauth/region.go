package awsauth

import (
	"fmt"
	"strings"

	"github.com/awsdb/awsdb/core"
)

// CheckRegion returns an error unless region has the shape of an AWS region's name, such as
// us-east-1 or us-gov-west-1. New regions appear every year, so that none is looked up in a list.
func CheckRegion(region string) error {
	parts := strings.Split(region, "-")
	last := len(parts) - 1
	if len(region) <= 32 && last >= 2 && isDigits(parts[last]) {
		words := 0
		for _, part := range parts[:last] {
			if isWord(part) {
				words++
			}
		}
		if words == last {
			return nil
		}
	}
	return fmt.Errorf("%q is no AWS region: want a name such as us-east-1", region)
}

// checkRegionOf returns an error when an RDS name says that its host is in another region than
// the given one, or in another partition. It knows nothing against names that are not RDS ones.
func checkRegionOf(host, region string) error {
	e := core.ParseEndpoint(host)
	switch {
	case !e.IsRDS():
		return nil
	case e.Region != "" && e.Region != region:
		return fmt.Errorf("region %s contradicts the host name %s, which is in %s", region, e.Host, e.Region)
	case !strings.HasSuffix(e.Host, suffixOf(region)):
		return fmt.Errorf("region %s contradicts the host name %s: names of its partition end in %s", region, e.Host, suffixOf(region))
	}
	return nil
}

// partitionSuffixes has the DNS suffixes of the partitions that regions tell by their names.
// Source: the partition data of the AWS SDKs.
var partitionSuffixes = []struct{ prefix, suffix string }{
	{"cn-", ".amazonaws.com.cn"},
	{"us-iso-", ".c2s.ic.gov"},
	{"us-isob-", ".sc2s.sgov.gov"},
	{"eu-isoe-", ".cloud.adc-e.uk"},
	{"us-isof-", ".csp.hci.ic.gov"},
	{"eu-isof-", ".csp.hci.ic.gov"},
	{"eusc-", ".amazonaws.eu"},
}

// suffixOf returns how host names of a region end.
func suffixOf(region string) string {
	for _, p := range partitionSuffixes {
		if strings.HasPrefix(region, p.prefix) {
			return p.suffix
		}
	}
	return ".amazonaws.com"
}

func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func isWord(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}
