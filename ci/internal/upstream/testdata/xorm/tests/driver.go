package tests

import (
	"awsdb.test/redirect"
	"xorm.io/xorm/dialects"
)

// driverOf returns the name of the driver that stands in for xorm's, and makes
// xorm take it for that.
func driverOf(xorms string) string {
	if xorms != "mysql" || redirect.MySQL() == "mysql" {
		return xorms
	}
	ours := redirect.MySQL()
	if dialects.QueryDriver(ours) == nil {
		dialects.RegisterDriver(ours, dialects.QueryDriver("mysql"))
	}
	return ours
}
