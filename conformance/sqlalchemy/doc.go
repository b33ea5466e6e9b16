// Package sqlalchemy takes what the AWS wrapper for Python promises on its page about SQLAlchemy, and tests case by case that
// awsdb does the same for ORMs of Go. docs/from-python-wrapper.md names the test of each case.
package sqlalchemy
