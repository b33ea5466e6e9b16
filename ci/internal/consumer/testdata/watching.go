package main

import _ "github.com/awsdb/awsdb/hostmonitor"
