// Package realserver has what the clusters of real database servers have in common, whatever the database: processes
// that are started under an account, stopped, continued and killed; data directories; a control plane that does one thing
// at a time. Packages realpg and realmaria build on it.
package realserver
