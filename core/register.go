package core

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// Info describes a plugin to the registry.
type Info struct {
	// Code is the canonical name in the parameter plugins.
	Code string
	// Aliases are other codes that mean the same plugin.
	Aliases []string
	// Stage orders the plugins, outermost first; equal stages are ordered by
	// Code. Import order never matters.
	Stage Stage
	// Params are the plugin's settings. A Param with the same name may be
	// declared by several plugins if they declare it alike.
	Params []Param
	// MonitorPrefix marks parameters of the driver that apply to the plugin's own
	// connections; "" if it has none. See Target.Monitor.
	MonitorPrefix string
	// Conflicts lists codes that cannot run beside this one.
	Conflicts []string
	// Default tells whether the plugin runs when the parameter plugins is
	// absent. nil means no.
	Default func(s Settings) bool
	// New makes the plugin for one Connector. An error is reported with the
	// others when the DSN is opened.
	New func(s Settings) (Plugin, error)
	// Doc is one sentence.
	Doc string
}

// Stage is a plugin's place in the chain.
type Stage uint8

// The stages, outermost first.
const (
	StageSwitchover Stage = 10 // which cluster: blue/green
	StageRoute      Stage = 20 // which hosts may be used: custom endpoints, Limitless
	StageSplit      Stage = 30 // read/write splitting
	StageMonitor    Stage = 35 // dead hosts: around what finds the host, to know which it is
	StageFailover   Stage = 40 // the right host
	StageLogin      Stage = 60 // credentials
	StageFault      Stage = 70 // faults on demand
)

// registry holds what init functions registered.
type registry struct {
	mu    sync.Mutex
	infos []*Info          // in chain order
	codes map[string]*Info // by folded code or alias
}

var plugins registry

// Register makes a plugin available to DSNs under its code. It panics when the
// code or an alias is taken, or when Code or New is missing. Call it from init.
func Register(i Info) { plugins.register(&i) }

// Plugins returns all registered plugins in chain order, for documentation.
func Plugins() []Info {
	var infos []Info
	for _, i := range plugins.all() {
		infos = append(infos, *i)
	}
	return infos
}

func (r *registry) register(i *Info) {
	if i.Code == "" || i.New == nil {
		panic("core: Register needs Code and New")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.codes == nil {
		r.codes = map[string]*Info{}
	}
	r.checkParams(i)
	for _, code := range append([]string{i.Code}, i.Aliases...) {
		if other, taken := r.codes[fold(code)]; taken {
			panic(fmt.Sprintf("core: plugin code %q of %q is already registered by %q", code, i.Code, other.Code))
		}
		r.codes[fold(code)] = i
	}
	r.infos = append(r.infos, i)
	for n := len(r.infos) - 1; n > 0 && i.before(r.infos[n-1]); n-- {
		r.infos[n-1], r.infos[n] = i, r.infos[n-1]
	}
}

// before tells that i is further outside in the chain than other.
func (i *Info) before(other *Info) bool {
	return i.Stage < other.Stage || (i.Stage == other.Stage && i.Code < other.Code)
}

// checkParams panics when a default cannot be parsed, or when the same parameter
// is declared by others in another way: such a binary must not start.
func (r *registry) checkParams(i *Info) {
	declared := map[string]*Param{}
	for _, p := range paramsOf(r.infos) {
		declared[fold(p.Name)] = p
	}
	for n := range i.Params {
		p := &i.Params[n]
		if p.Default != "" {
			if _, err := p.parse(p.Name, p.Default, p.Unit); err != nil {
				panic(fmt.Sprintf("core: plugin %q: default of a parameter: %v", i.Code, err))
			}
		}
		if other, ok := declared[fold(p.Name)]; ok && !reflect.DeepEqual(p, other) {
			panic(fmt.Sprintf("core: plugin %q declares parameter %s in another way than others do", i.Code, p.Name))
		}
	}
}

// paramsOf returns the parameters of plugins, and those of core itself.
func paramsOf(infos []*Info) []*Param {
	var params []*Param
	for _, i := range infos {
		for n := range i.Params {
			params = append(params, &i.Params[n])
		}
	}
	for n := range coreParams {
		params = append(params, &coreParams[n])
	}
	return params
}

// all returns the plugins in chain order.
func (r *registry) all() []*Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.infos)
}

func (r *registry) prefixes() []string {
	prefixes := []string{topologyPrefix}
	for _, i := range r.all() {
		if i.MonitorPrefix != "" && !slices.Contains(prefixes, i.MonitorPrefix) {
			prefixes = append(prefixes, i.MonitorPrefix)
		}
	}
	return prefixes
}

// lookup returns the plugin that has the code or alias, or nil.
func (r *registry) lookup(code string) *Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.codes[fold(code)]
}

// knownPlugin says where a plugin that may not be linked in comes from.
type knownPlugin struct {
	module  string   // folder below the module prefix; "" if there is no such plugin yet
	codes   []string // codes and aliases
	params  []string // folded prefixes of its parameters
	instead string   // what there is, if there is no such plugin
}

// knownPlugins lets a DSN that needs a plugin which the binary does not hold
// name the missing import. It is documentation only: no code depends on it.
var knownPlugins = []knownPlugin{
	{"", []string{"gdb_failover"}, []string{"failoverhomeregion", "activehomefailover", "inactivehomefailover"}, "plugin failover follows the writer of a global database, too"},
	{"failover", []string{"failover", "failover_v2", "failover2", "aurora_connection_tracker", "stale_dns", "initial_connection"},
		[]string{"failover", "enablefailover", "enableclusterawarefailover", "enableconnectfailover", "openconnectionretry", "initialconnection", "readerinitialconnection"}, ""},
	{"hostmonitor", []string{"host_monitoring_v2", "host_monitoring", "efm", "efm2"}, []string{"failuredetection", "monitordisposal", "monitoring"}, ""},
	{"", []string{"read_write_splitting", "srw", "gdb_rw", "gdb_read_write_splitting", "auto_read_write_splitting"}, []string{"readerhostselector", "srw", "gdbrw", "gdbenable"}, twoPools},
	{"", []string{"fastest_response_strategy"}, []string{"responsemeasurement"}, anyReader},
	{"iamauth", []string{"iam"}, []string{"iamhost", "iamdefaultport", "iamregion", "iamexpiration", "iamaccesstoken", "iaminsecuretransport", "awsprofile"}, ""},
	{"secrets", []string{"aws_secrets_manager", "secrets_manager", "aws_secrets_manager2", "secrets_manager2"},
		[]string{"secretsmanager", "secretid", "secretregion", "secretendpoint", "secretusername", "secretpassword", "secretexpiration"}, ""},
	{"federated/adfs", []string{"federated_auth"},
		[]string{"idp", "iamrolearn", "iamidparn", "rpidentifier", "iamtokenexpiration", "dbuser", "httprequestconnecttimeout", "httptimeout", "httpclient", "sslsecure", "sslinsecure"}, ""},
	{"federated/okta", []string{"okta"}, []string{"appid"}, ""},
	{"", []string{"custom_endpoint"}, []string{"customendpoint", "waitforcustomendpoint"}, "a custom endpoint is taken at its word, and its members are not looked up"},
	{"", []string{"bg"}, []string{"bgid", "bgdid", "bluegreen", "bgconnect", "bginterval", "bgswitchover", "bgsuspend", "bgbaseline", "bgincreased", "bghigh"}, "blue/green switchovers are not followed"},
	{"", []string{"limitless"}, []string{"limitless"}, "name the endpoint of the shard group"},
	{"", []string{"dev"}, nil, "package lab has clusters with faults on demand"},
	{"", []string{"connect_time", "execution_time"}, nil, "otelsql around the connector measures both"},
}

const (
	twoPools  = "open two pools with the same cluster_id, one on the cluster endpoint and one on the reader endpoint"
	anyReader = "readers are chosen by random or round_robin"
)

// problem says what a DSN lacks that names the plugin by one of its codes.
func (p *knownPlugin) problem(code string) error {
	if p.module == "" {
		return fmt.Errorf("plugin %s does not exist here yet: take it out; %s", code, p.instead)
	}
	return fmt.Errorf("plugin %s is not linked in: import _ %q", code, p.importPath())
}

// paramProblem says the same of a DSN that has one of the plugin's parameters.
func (p *knownPlugin) paramProblem(key string) error {
	if p.module == "" {
		return fmt.Errorf("parameter %s is of plugin %s, which does not exist here yet: take it out; %s", key, p.codes[0], p.instead)
	}
	return fmt.Errorf("unknown parameter %s: it looks like one of plugin %s, which is not linked in or does not know it; import _ %q", key, p.codes[0], p.importPath())
}

// importPath is that of the module that has the plugin.
func (p *knownPlugin) importPath() string { return "github.com/awsdb/awsdb/" + p.module }

// missingPlugin returns the plugin that has the code, or nil.
func missingPlugin(code string) *knownPlugin {
	for n := range knownPlugins {
		p := &knownPlugins[n]
		if slices.ContainsFunc(p.codes, func(c string) bool { return fold(c) == fold(code) }) {
			return p
		}
	}
	return nil
}

// missingParam returns the plugin that the parameter looks like one of, or nil.
func missingParam(key string) *knownPlugin {
	for n := range knownPlugins {
		p := &knownPlugins[n]
		if slices.ContainsFunc(p.params, func(prefix string) bool { return strings.HasPrefix(fold(key), prefix) }) {
			return p
		}
	}
	return nil
}
