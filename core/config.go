package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// topologyPrefix marks parameters of the topology monitor's own connections.
const topologyPrefix = "topology-monitoring-"

// MonitorPrefixes are the prefixes of parameters for awsdb's own connections:
// "topology-monitoring-", and those that plugins have registered.
func MonitorPrefixes() []string { return plugins.prefixes() }

// coreParams are the settings of core itself (spec 13.1 and 13.2).
var coreParams = []Param{
	{Name: "plugins", Aliases: []Alias{{Name: "wrapper_plugins"}}, Doc: "Codes of the plugins that run, separated by commas; \"none\" for none. Absent: each linked plugin decides."},
	{Name: "wrapper_dialect", Aliases: []Alias{{Name: "database_dialect"}, {Name: "dialect"}}, Doc: "Pins the kind of database (such as aurora-pg) instead of finding it out."},
	{Name: "cluster_id", Doc: "Handles of one process with the same id share one topology monitor. Absent: each has its own."},
	{Name: "cluster_instance_host_pattern", Doc: "How to make an instance's address from its id: ?.xyz.us-east-1.rds.amazonaws.com[:port]. Needed when the DSN names no RDS endpoint."},
	{Name: "global_cluster_instance_host_patterns", Doc: "The same for a Global Database, one pattern per region, separated by commas."},
	{Name: "topology_refresh_ms", Aliases: []Alias{{Name: "cluster_topology_refresh_rate_ms"}}, Kind: Duration, Unit: time.Millisecond, Default: "30000", Min: 100, Doc: "Pace of the topology monitor when all is well."},
	{Name: "cluster_topology_high_refresh_rate_ms", Kind: Duration, Unit: time.Millisecond, Default: "100", Min: 10, Doc: "Pace of the topology monitor while the writer is searched for and for 30 s after."},
	{Name: "cluster_topology_connect_timeout_ms", Kind: Duration, Unit: time.Millisecond, Default: "5000", Min: 1, Doc: "Limit for opening a monitoring connection."},
	{Name: "cluster_topology_socket_timeout_ms", Kind: Duration, Unit: time.Millisecond, Default: "5000", Min: 1, Doc: "Limit for a question on a monitoring connection."},
	{Name: "auxiliary_query_timeout_sec", Kind: Duration, Unit: time.Second, Default: "5", Min: 0, Doc: "Limit for awsdb's own questions on a connection that has just been opened."},
	{Name: "tcp_keepalive", Kind: Bool, Default: "true", Doc: "Lets the kernel probe connections on which nothing arrives."},
	{Name: "tcp_keepalive_time", Aliases: []Alias{{Name: "tcp_keepalive_idle"}}, Kind: Duration, Unit: time.Second, Default: "5", Min: 1, Doc: "Seconds without anything arriving before the first keep-alive probe."},
	{Name: "tcp_keepalive_interval", Kind: Duration, Unit: time.Second, Default: "1", Min: 1, Doc: "Seconds between keep-alive probes."},
	{Name: "tcp_keepalive_probes", Kind: Int, Default: "5", Min: 1, Doc: "Unanswered keep-alive probes after which the connection is dead. On Linux tcp_user_timeout_ms decides instead, unless it is 0."},
	{Name: "tcp_user_timeout_ms", Kind: Duration, Unit: time.Millisecond, Default: "30000", Min: 0, Doc: "Linux only: how long the host may leave data or keep-alive probes unacknowledged, or take no more data, before the connection is dead; the host monitor lifts it from writes that wait. 0: tcp_keepalive_probes decides about probes, and the kernel after about 15 minutes about data."},

	{Name: "wrapper_driver_dialect", Aliases: []Alias{{Name: "target_driver_dialect"}, {Name: "wrapper_target_driver_dialect"}}, Ignored: true, Doc: "The driver module decides."},
	{Name: "target_driver_auto_register", Kind: Bool, Ignored: true, Doc: "The driver module decides."},
	{Name: "auto_sort_wrapper_plugin_order", Aliases: []Alias{{Name: "auto_sort_plugin_order"}}, Kind: Bool, Ignored: true, Doc: "Plugins are always in their one right order."},
	{Name: "transfer_session_state_on_switch", Kind: Bool, Ignored: true, Doc: "A session is never moved to another host."},
	{Name: "reset_session_state_on_close", Kind: Bool, Ignored: true, Doc: "A session is never moved to another host."},
	{Name: "rollback_on_switch", Kind: Bool, Ignored: true, Doc: "A session is never moved to another host."},
	{Name: "default_host_availability_strategy", Ignored: true, Doc: "A host that is down is watched until it answers."},
	{Name: "host_availability_strategy_max_retries", Kind: Int, Ignored: true, Doc: "A host that is down is watched until it answers."},
	{Name: "host_availability_strategy_initial_backoff_time", Kind: Duration, Unit: time.Second, Ignored: true, Doc: "A host that is down is watched until it answers."},
}

// unsupportedParams are keys of other wrappers that must not be passed to the
// server nor be ignored, with what to use instead.
var unsupportedParams = map[string]string{
	"profilename":             "configuration profiles do not exist here; write the parameters into the DSN",
	"wrapperprofilename":      "configuration profiles do not exist here; write the parameters into the DSN",
	"sockettimeout":           "pass a context with a deadline to each call, or set statement_timeout; hosts that are dead are noticed by plugin host_monitoring_v2",
	"singlewriterdsn":         "name one endpoint of the cluster; its instances are found by asking it",
	"enabletelemetry":         "there is no telemetry plugin yet; attach an Observer in code",
	"telemetrytracesbackend":  "there is no telemetry plugin yet; attach an Observer in code",
	"telemetrymetricsbackend": "there is no telemetry plugin yet; attach an Observer in code",
	"telemetrysubmittoplevel": "there is no telemetry plugin yet; attach an Observer in code",
	// Weights, in the spellings of the Go and the Python wrapper.
	"roundrobinhostweightpairs":     anyReader,
	"roundrobindefaultweight":       anyReader,
	"weightedrandomhostweightpairs": anyReader,
}

// Params returns core's own parameters, for documentation.
func Params() []Param { return slices.Clone(coreParams) }

// TakeSettings takes awsdb's parameters out of the keys that a driver's DSN
// parser did not know, and leaves the rest in keys. All problems are reported
// in one joined error that matches ErrConfig.
func TakeSettings(keys map[string]string) (Settings, error) { return plugins.take(keys) }

type takenParam struct {
	*Param
	unit time.Duration // that the spelling stands for
}

// index maps folded keys to all declared parameters.
func (r *registry) index() map[string]takenParam {
	index := map[string]takenParam{}
	for _, p := range paramsOf(r.all()) {
		index[fold(p.Name)] = takenParam{p, p.Unit}
		for _, a := range p.Aliases {
			unit := a.Unit
			if unit == 0 {
				unit = p.Unit
			}
			index[fold(a.Name)] = takenParam{p, unit}
		}
	}
	return index
}

func (r *registry) take(keys map[string]string) (Settings, error) {
	index, prefixes := r.index(), r.prefixes()
	s := Settings{values: map[string]any{}, given: map[string]bool{}, prefix: map[string]map[string]string{}}
	spelling := map[string]string{} // canonical name -> key that set it
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		value := keys[key]
		p, ok := index[fold(key)]
		switch {
		case ok:
			delete(keys, key)
			if first, twice := spelling[p.Name]; twice {
				problems = append(problems, fmt.Errorf("%s and %s are the same parameter: keep one", first, key))
				continue
			}
			spelling[p.Name] = key
			v, err := p.parse(key, value, p.unit)
			if err != nil {
				problems = append(problems, err)
				continue
			}
			s.values[p.Name], s.given[p.Name] = v, true
			if p.Ignored {
				s.unused = append(s.unused, key)
			}
		case s.takePrefixed(key, value, prefixes):
			delete(keys, key)
		default:
			if err := suspicious(key, index); err != nil {
				delete(keys, key)
				problems = append(problems, err)
			}
		}
	}
	s.setDefaults(index)
	return s, configError(problems)
}

func (s Settings) takePrefixed(key, value string, prefixes []string) bool {
	key = strings.ToLower(key)
	for _, prefix := range prefixes {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			if s.prefix[prefix] == nil {
				s.prefix[prefix] = map[string]string{}
			}
			s.prefix[prefix][name] = value
			return true
		}
	}
	return false
}

func (s Settings) setDefaults(index map[string]takenParam) {
	for _, p := range index {
		if _, set := s.values[p.Name]; set || p.Default == "" {
			continue
		}
		v, err := p.parse(p.Name, p.Default, p.Unit)
		if err != nil {
			panic("core: default of parameter " + p.Name + ": " + err.Error()) // a bug in the declaration
		}
		s.values[p.Name] = v
	}
}

// serverParams are settings of the servers themselves whose names are close to
// ours.
var serverParams = map[string]bool{
	"tcpkeepalivesidle": true, "tcpkeepalivesinterval": true, "tcpkeepalivescount": true, "tcpusertimeout": true,
}

// suspicious judges a key that is not ours: one that belongs to a plugin which
// is not linked in, or is nearly one of ours, must not reach the server, which
// would take it for a setting of its own.
func suspicious(key string, index map[string]takenParam) error {
	if advice, ok := unsupportedParams[fold(key)]; ok {
		return fmt.Errorf("parameter %s is not supported: %s", key, advice)
	}
	if serverParams[fold(key)] || strings.Contains(key, ".") {
		return nil
	}
	best, distance := "", 3
	for folded, p := range index {
		if d := editDistance(fold(key), folded, distance+1); d < distance || (d == distance && best != "" && p.Name < best) {
			best, distance = p.Name, d
		}
	}
	if best != "" && distance*4 <= len(fold(key)) {
		return fmt.Errorf("unknown parameter %s: did you mean %s?", key, best)
	}
	if p := missingParam(key); p != nil {
		return p.paramProblem(key)
	}
	return nil
}

// editDistance is the Levenshtein distance of a and b, or limit if it is not
// below limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return min(row[len(b)], limit)
}

// configProblems is the one error that names every mistake in a configuration.
type configProblems struct{ list []error }

// configError makes one error of many, nil of none. Errors that are lists
// themselves are taken apart.
func configError(problems []error) error {
	all := &configProblems{}
	for _, p := range problems {
		var nested *configProblems
		switch {
		case p == nil:
		case errors.As(p, &nested):
			all.list = append(all.list, nested.list...)
		default:
			all.list = append(all.list, p)
		}
	}
	if len(all.list) == 0 {
		return nil
	}
	return all
}

// Error implements error: one line for each mistake.
func (c *configProblems) Error() string {
	prefix := ErrConfig.Error() + ": "
	lines := make([]string, len(c.list))
	for i, p := range c.list {
		lines[i] = strings.ReplaceAll(p.Error(), prefix, "") // a plugin's own has it as well
	}
	return prefix + strings.Join(lines, "\n")
}

// Is matches ErrConfig.
func (c *configProblems) Is(target error) bool { return target == ErrConfig }

// Unwrap returns the mistakes.
func (c *configProblems) Unwrap() []error { return c.list }

// build makes the plugins that the settings ask for, outermost first.
func (r *registry) build(s Settings) ([]Plugin, error) {
	infos, problems := r.choose(s)
	var built []Plugin
	for _, i := range infos {
		p, err := i.New(s)
		if err != nil {
			problems = append(problems, fmt.Errorf("plugin %s: %w", i.Code, err))
			continue
		}
		if p != nil {
			built = append(built, p)
		}
	}
	return built, configError(problems)
}

// choose returns the plugins that shall run, in chain order.
func (r *registry) choose(s Settings) ([]*Info, []error) {
	chosen := map[*Info]bool{}
	var problems []error
	if !s.Given("plugins") {
		for _, i := range r.all() {
			chosen[i] = i.Default != nil && i.Default(s)
		}
	}
	for code := range strings.SplitSeq(s.String("plugins"), ",") {
		code = strings.TrimSpace(code)
		if code == "" || strings.EqualFold(code, "none") {
			continue
		}
		if i := r.lookup(code); i != nil {
			chosen[i] = true
		} else if p := missingPlugin(code); p != nil {
			problems = append(problems, p.problem(code))
		} else {
			problems = append(problems, fmt.Errorf("unknown plugin %s: linked in are %s", code, r.listCodes()))
		}
	}
	var infos []*Info
	for _, i := range r.all() {
		if chosen[i] {
			infos = append(infos, i)
		}
	}
	return infos, append(problems, r.conflicts(infos)...)
}

// conflicts reports each pair of plugins of which at least one cannot bear the
// other.
func (r *registry) conflicts(infos []*Info) []error {
	var problems []error
	for n, a := range infos {
		for _, b := range infos[n+1:] {
			if r.excludes(a, b) || r.excludes(b, a) {
				problems = append(problems, fmt.Errorf("plugins %s and %s cannot run together: keep one", a.Code, b.Code))
			}
		}
	}
	return problems
}

// excludes tells that a cannot run beside b.
func (r *registry) excludes(a, b *Info) bool {
	return slices.ContainsFunc(a.Conflicts, func(code string) bool { return r.lookup(code) == b })
}

func (r *registry) listCodes() string {
	var codes []string
	for _, i := range r.all() {
		codes = append(codes, i.Code)
	}
	if len(codes) == 0 {
		return "none"
	}
	return strings.Join(codes, ", ")
}
