package core

import (
	"fmt"
	"maps"
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
	infos map[string]Info   // by canonical code
	codes map[string]string // folded code or alias -> canonical code
}

var plugins registry

// Register makes a plugin available to DSNs under its code. It panics when the
// code or an alias is taken, or when Code or New is missing. Call it from init.
func Register(i Info) { plugins.register(i) }

// Plugins returns all registered plugins in chain order, for documentation.
func Plugins() []Info { return plugins.all() }

func (r *registry) register(i Info) {
	if i.Code == "" || i.New == nil {
		panic("core: Register needs Code and New")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.infos == nil {
		r.infos, r.codes = map[string]Info{}, map[string]string{}
	}
	r.checkParams(i)
	for _, code := range append([]string{i.Code}, i.Aliases...) {
		if other, taken := r.codes[fold(code)]; taken {
			panic(fmt.Sprintf("core: plugin code %q of %q is already registered by %q", code, i.Code, other))
		}
		r.codes[fold(code)] = i.Code
	}
	r.infos[i.Code] = i
}

// checkParams panics when a default cannot be parsed, or when the same parameter
// is declared by others in another way: such a binary must not start.
func (r *registry) checkParams(i Info) {
	declared := map[string]Param{}
	for _, p := range coreParams {
		declared[fold(p.Name)] = p
	}
	for _, other := range r.infos {
		for _, p := range other.Params {
			declared[fold(p.Name)] = p
		}
	}
	for _, p := range i.Params {
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

func (r *registry) all() []Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	ordered := map[string]Info{}
	for code, i := range r.infos {
		ordered[fmt.Sprintf("%03d %s", i.Stage, code)] = i
	}
	infos := make([]Info, 0, len(ordered))
	for _, key := range slices.Sorted(maps.Keys(ordered)) {
		infos = append(infos, ordered[key])
	}
	return infos
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

func (r *registry) lookup(code string) (Info, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	canonical, ok := r.codes[fold(code)]
	return r.infos[canonical], ok
}

// knownPlugin says where a plugin that may not be linked in comes from.
type knownPlugin struct {
	module string   // folder below the module prefix
	codes  []string // codes and aliases
	params []string // folded prefixes of its parameters
}

// knownPlugins lets a DSN that needs a plugin which the binary does not hold
// name the missing import. It is documentation only: no code depends on it.
var knownPlugins = []knownPlugin{
	{"failover", []string{"failover", "failover_v2", "failover2", "gdb_failover", "aurora_connection_tracker", "stale_dns", "initial_connection"},
		[]string{"failover", "enablefailover", "enableclusterawarefailover", "enableconnectfailover", "openconnectionretry", "initialconnection", "readerinitialconnection", "activehomefailover", "inactivehomefailover"}},
	{"hostmonitor", []string{"host_monitoring_v2", "host_monitoring", "efm", "efm2"}, []string{"failuredetection", "monitordisposal", "monitoring"}},
	{"readwrite", []string{"read_write_splitting", "srw", "gdb_rw", "auto_read_write_splitting"}, []string{"readerhostselector", "srw", "gdbrw", "gdbenable"}},
	{"fastestresponse", []string{"fastest_response_strategy"}, []string{"responsemeasurement"}},
	{"iamauth", []string{"iam"}, []string{"iamhost", "iamdefaultport", "iamregion", "iamexpiration"}},
	{"secrets", []string{"aws_secrets_manager", "secrets_manager"}, []string{"secretsmanager"}},
	{"federated/adfs", []string{"federated_auth"}, []string{"idp", "iamrolearn", "iamidparn", "rpidentifier", "iamtokenexpiration"}},
	{"federated/okta", []string{"okta"}, []string{"appid"}},
	{"customendpoint", []string{"custom_endpoint"}, []string{"customendpoint", "waitforcustomendpoint"}},
	{"bluegreen", []string{"bg"}, []string{"bgid", "bgconnect", "bginterval", "bgswitchover", "bgsuspend", "bgbaseline", "bgincreased", "bghigh"}},
	{"limitless", []string{"limitless"}, []string{"limitless"}},
	{"devfault", []string{"dev"}, nil},
}

// ImportPath returns the import path of the module that has the plugin.
func (p knownPlugin) importPath() string { return "github.com/awsdb/awsdb/" + p.module }

func missingPlugin(code string) (knownPlugin, bool) {
	for _, p := range knownPlugins {
		if slices.ContainsFunc(p.codes, func(c string) bool { return fold(c) == fold(code) }) {
			return p, true
		}
	}
	return knownPlugin{}, false
}

func missingParam(key string) (knownPlugin, bool) {
	for _, p := range knownPlugins {
		if slices.ContainsFunc(p.params, func(prefix string) bool { return strings.HasPrefix(fold(key), prefix) }) {
			return p, true
		}
	}
	return knownPlugin{}, false
}
