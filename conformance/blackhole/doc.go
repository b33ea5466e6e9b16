// Package blackhole runs an ordinary *sql.DB on awsdb against hosts whose packets the
// kernel drops, so that all of TCP is as it is when a host loses its power or its
// network: nothing is acknowledged, and what ends a connection is either awsdb or the
// kernel's own limits. All of it is in the tests, which are Linux's. They run in a
// network namespace of their own, in which nothing else is disturbed, and skip
// themselves where making one is not permitted. They need the programs ip and nft
// (apt-get install iproute2 nftables); AWSDB_UNIT=1 leaves them out.
package blackhole
