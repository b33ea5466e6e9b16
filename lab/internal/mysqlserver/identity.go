package mysqlserver

import (
	"crypto/md5"
	"fmt"
	"strconv"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// identityVariables are the variables that tell what server this is.
var identityVariables = []string{"aurora_server_id", "aurora_version", "hostname", "innodb_read_only", "port", "read_only", "report_host",
	"server_id", "server_uuid", "super_read_only", "version", "version_comment"}

// identity is the value of one of identityVariables; false where it does not exist.
func (s *Server) identity(name string) (variable, bool) {
	writable := s.config.Host.Writable()
	own := s.own()
	textValue := func(value string) (variable, bool) {
		return variable{kind: textual, value: value, access: readOnly}, true
	}
	switch name {
	case "aurora_server_id":
		if !s.aurora() {
			return variable{}, false
		}
		return textValue(s.config.Host.ID())
	case "aurora_version":
		if !s.aurora() {
			return variable{}, false
		}
		return textValue(auroraVersion)
	case "hostname":
		if s.aurora() { // an address inside of AWS, which says nothing
			return textValue("ip-10-0-0-" + strconv.Itoa(serverNumber(own)%256))
		}
		return textValue(s.config.Host.ID())
	case "port":
		return variable{kind: numerical, value: strconv.Itoa(own.Port), access: readOnly}, true
	case "innodb_read_only": // of the others not even a replica has it
		return variable{kind: boolean, value: digit(s.aurora() && !writable), access: readOnly}, true
	case "read_only":
		return variable{kind: boolean, value: digit(!writable), access: globalOnly}, true
	case "super_read_only":
		if s.mariadb() {
			return variable{}, false
		}
		return variable{kind: boolean, value: digit(!writable && !s.aurora()), access: globalOnly}, true
	case "report_host":
		if s.flavor() != sqlengine.MultiAZMySQL {
			return textValue("")
		}
		return textValue(own.Endpoint)
	case "server_id":
		return variable{kind: numerical, value: strconv.Itoa(serverNumber(own)), access: globalOnly}, true
	case "server_uuid":
		return textValue(serverUUID(s.config.Host.ID()))
	case "version":
		return textValue(s.version())
	case "version_comment":
		switch s.flavor() {
		case sqlengine.MySQL:
			return textValue("MySQL Community Server - GPL")
		case sqlengine.MariaDB:
			return textValue("mariadb.org binary distribution")
		}
		return textValue("Source distribution")
	}
	return variable{}, false
}

// own is what the cluster says about the instance.
func (s *Server) own() sqlengine.InstanceStatus {
	id := s.config.Host.ID()
	for _, i := range s.config.Host.Status() {
		if i.ID == id {
			if i.Port == 0 {
				i.Port = defaultPort
			}
			return i
		}
	}
	return sqlengine.InstanceStatus{ID: id, Port: defaultPort, Writer: s.config.Host.Writable()}
}

const defaultPort = 3306

// serverNumber is the server_id of an instance: a number that stays with it, as it does in a Multi-AZ cluster, where it
// is the id of mysql.rds_topology, too.
func serverNumber(i sqlengine.InstanceStatus) int {
	if n, err := strconv.Atoi(i.ResourceID); err == nil {
		return n
	}
	sum := md5.Sum([]byte(i.ID))
	return 1 + int(sum[0])<<16 + int(sum[1])<<8 + int(sum[2])
}

// sourceOf is the writer that an instance copies from, for SHOW REPLICA STATUS; false when it copies from none.
func (s *Server) sourceOf() (sqlengine.InstanceStatus, bool) {
	if s.aurora() || s.config.Host.Writable() {
		return sqlengine.InstanceStatus{}, false
	}
	for _, i := range s.config.Host.Status() {
		if i.Writer && i.ID != s.config.Host.ID() {
			return i, true
		}
	}
	return sqlengine.InstanceStatus{}, false
}

// serverUUID is something that looks like a UUID and is the same for the same instance.
func serverUUID(id string) string {
	sum := md5.Sum([]byte(id))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:])
}
