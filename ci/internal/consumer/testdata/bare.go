// An application of the bare drivers: what the size of the others is compared
// with.
package main

func run(d database) error { return connect(d.name, d.dsn) }
