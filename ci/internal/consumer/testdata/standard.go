package main

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
)

// What awsdb uses of the standard library, and go-sql-driver alone does not: a
// log, client certificates from files, and the name behind an alias.
func init() {
	if len(os.Args) == 1 {
		return
	}
	_, certificate := tls.LoadX509KeyPair(os.Args[1], os.Args[1])
	_, alias := net.DefaultResolver.LookupCNAME(context.Background(), os.Args[1])
	slog.Info("not reached", "certificate", certificate, "alias", alias)
}
