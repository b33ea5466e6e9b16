// Package parameters holds the parameters of all modules together against those of the other AWS
// wrappers, and the rules by which plugins run that nobody has named. It has tests only.
package parameters
