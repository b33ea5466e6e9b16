package core

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// likeReal is a registry with plugins whose parameters are named like real ones.
func likeReal() *registry {
	following := named("failover", StageFailover)
	following.Aliases = []string{"failover_v2", "failover2"}
	following.Params = []Param{
		timeoutParam, modeParam,
		{Name: "enable_connect_failover", Kind: Bool, Default: "true"},
		{Name: "failover_writer_reconnect_interval_sec", Kind: Duration, Unit: time.Second, Ignored: true},
	}
	monitoring := named("host_monitoring_v2", StageMonitor)
	monitoring.Params = []Param{
		{Name: "failure_detection_enabled", Kind: Bool, Default: "true"},
		{Name: "failure_detection_time_ms", Kind: Duration, Unit: time.Millisecond, Default: "30000"},
		{Name: "failure_detection_count", Kind: Int, Default: "3", Min: 1},
	}
	return registryOf(following, monitoring)
}

// A change of a parameter's name, alias, kind, unit or default is a change of
// what users' DSNs mean. This table makes it be noticed.
func TestCoreParamsGolden(t *testing.T) {
	want := strings.TrimSpace(`
plugins (wrapper_plugins) string ""
wrapper_dialect (database_dialect dialect) string ""
cluster_id () string ""
cluster_instance_host_pattern () string ""
global_cluster_instance_host_patterns () string ""
topology_refresh_ms (cluster_topology_refresh_rate_ms) duration/ms "30000" min 100
cluster_topology_high_refresh_rate_ms () duration/ms "100" min 10
cluster_topology_connect_timeout_ms () duration/ms "5000" min 1
cluster_topology_socket_timeout_ms () duration/ms "5000" min 1
auxiliary_query_timeout_sec () duration/s "5"
tcp_keepalive () bool "true"
tcp_keepalive_time (tcp_keepalive_idle) duration/s "5" min 1
tcp_keepalive_interval () duration/s "1" min 1
tcp_keepalive_probes () int "5" min 1
tcp_user_timeout_ms () duration/ms "30000"
wrapper_driver_dialect (target_driver_dialect wrapper_target_driver_dialect) string "" ignored
target_driver_auto_register () bool "" ignored
auto_sort_wrapper_plugin_order (auto_sort_plugin_order) bool "" ignored
transfer_session_state_on_switch () bool "" ignored
reset_session_state_on_close () bool "" ignored
rollback_on_switch () bool "" ignored
default_host_availability_strategy () string "" ignored
host_availability_strategy_max_retries () int "" ignored
host_availability_strategy_initial_backoff_time () duration/s "" ignored`)
	var got []string
	for _, p := range Params() {
		got = append(got, describe(p))
	}
	if diff := cmp.Diff(strings.Split(want, "\n"), got); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

func describe(p Param) string {
	var aliases []string
	for _, a := range p.Aliases {
		text := a.Name
		if a.Unit != 0 {
			text += "/" + shortUnit(a.Unit)
		}
		aliases = append(aliases, text)
	}
	kind := p.Kind.String()
	if p.Unit != 0 {
		kind += "/" + shortUnit(p.Unit)
	}
	s := fmt.Sprintf("%s (%s) %s %q", p.Name, strings.Join(aliases, " "), kind, p.Default)
	if p.Min != 0 {
		s += fmt.Sprintf(" min %d", p.Min)
	}
	if p.Ignored {
		s += " ignored"
	}
	return s
}

func shortUnit(d time.Duration) string { return strings.TrimLeft(d.String(), "1") }

func TestCoreParamsAreSound(t *testing.T) {
	seen := map[string]string{}
	for _, p := range coreParams {
		for _, name := range append([]string{p.Name}, aliasNames(p)...) {
			if other, taken := seen[fold(name)]; taken {
				t.Errorf("%s of %s is also %s", name, p.Name, other)
			}
			seen[fold(name)] = p.Name
			if name != strings.ToLower(name) || strings.Contains(name, "-") {
				t.Errorf("%s is not snake_case", name)
			}
		}
		if p.Doc == "" || !strings.HasSuffix(p.Doc, ".") {
			t.Errorf("%s: Doc %q is not a sentence", p.Name, p.Doc)
		}
		if p.Kind == Duration && p.Unit == 0 {
			t.Errorf("%s has no unit", p.Name)
		}
		if p.Default != "" {
			if _, err := p.parse(p.Name, p.Default, p.Unit); err != nil {
				t.Errorf("default: %v", err)
			}
		}
	}
}

func aliasNames(p Param) []string {
	var names []string
	for _, a := range p.Aliases {
		names = append(names, a.Name)
	}
	return names
}

func TestDefaults(t *testing.T) {
	s, err := (&registry{}).take(nil)
	if err != nil {
		t.Fatal(err)
	}
	options, err := clusterSettings(s)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]struct{ got, want time.Duration }{
		"refresh":            {options.refresh, 30 * time.Second},
		"fastRefresh":        {options.fastRefresh, 100 * time.Millisecond},
		"connectTimeout":     {options.connectTimeout, 5 * time.Second},
		"queryTimeout":       {options.queryTimeout, 5 * time.Second},
		"verifyTimeout":      {options.verifyTimeout, 5 * time.Second},
		"userTimeout":        {options.userTimeout, 30 * time.Second},
		"keepAlive.Idle":     {options.keepAlive.Idle, 5 * time.Second},
		"keepAlive.Interval": {options.keepAlive.Interval, time.Second},
	} {
		if d.got != d.want {
			t.Errorf("%s is %s, want %s", name, d.got, d.want)
		}
	}
	if !options.keepAlive.Enable || options.keepAlive.Count != 5 || !options.template.IsZero() || options.global != nil {
		t.Errorf("options %+v", options)
	}
	for _, p := range coreParams {
		if s.Given(p.Name) {
			t.Errorf("%s counts as given", p.Name)
		}
	}
}

// Spellings of core's own parameters by the AWS wrappers (spec 13.1, 13.2).
func TestCoreParamSpellings(t *testing.T) {
	tests := map[string]struct {
		keys map[string]string
		get  func(Settings) any
		want any
	}{
		"databaseDialect":       {map[string]string{"databaseDialect": "aurora-pg"}, func(s Settings) any { return s.String("wrapper_dialect") }, "aurora-pg"},
		"dialect":               {map[string]string{"dialect": "pg"}, func(s Settings) any { return s.String("wrapper_dialect") }, "pg"},
		"wrapperDialect":        {map[string]string{"wrapperDialect": "pg"}, func(s Settings) any { return s.String("wrapper_dialect") }, "pg"},
		"clusterId":             {map[string]string{"clusterId": "Main"}, func(s Settings) any { return s.String("cluster_id") }, "Main"},
		"host pattern":          {map[string]string{"clusterInstanceHostPattern": "?.x:1"}, func(s Settings) any { return s.String("cluster_instance_host_pattern") }, "?.x:1"},
		"refresh":               {map[string]string{"clusterTopologyRefreshRateMs": "1000"}, func(s Settings) any { return s.Duration("topology_refresh_ms") }, time.Second},
		"refresh, python":       {map[string]string{"topology_refresh_ms": "1s"}, func(s Settings) any { return s.Duration("topology_refresh_ms") }, time.Second},
		"fast refresh":          {map[string]string{"clusterTopologyHighRefreshRateMs": "50"}, func(s Settings) any { return s.Duration("cluster_topology_high_refresh_rate_ms") }, 50 * time.Millisecond},
		"keep-alive":            {map[string]string{"tcpKeepalive": "off"}, func(s Settings) any { return s.Bool("tcp_keepalive") }, false},
		"keep-alive, JDBC case": {map[string]string{"tcpKeepAlive": "false"}, func(s Settings) any { return s.Bool("tcp_keepalive") }, false},
		"keep-alive time":       {map[string]string{"tcp_keepalive_time": "7"}, func(s Settings) any { return s.Duration("tcp_keepalive_time") }, 7 * time.Second},
		"keep-alive probes":     {map[string]string{"tcp-keepalive-probes": "9"}, func(s Settings) any { return s.Int("tcp_keepalive_probes") }, 9},
		"zero user timeout":     {map[string]string{"tcp_user_timeout_ms": "0"}, func(s Settings) any { return s.Duration("tcp_user_timeout_ms") }, time.Duration(0)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s, err := (&registry{}).take(test.keys)
			if err != nil {
				t.Fatal(err)
			}
			if got := test.get(s); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			if len(test.keys) != 0 {
				t.Errorf("left to the server: %v", test.keys)
			}
		})
	}
}

func TestIgnoredParams(t *testing.T) {
	keys := map[string]string{"rollbackOnSwitch": "false", "failoverWriterReconnectIntervalSec": "2", "cluster_id": "x"}
	s, err := likeReal().take(keys)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"failoverWriterReconnectIntervalSec", "rollbackOnSwitch"}, s.unused); diff != "" {
		t.Errorf("without effect (-want +got):\n%s", diff)
	}
	if _, err := likeReal().take(map[string]string{"rollback_on_switch": "perhaps"}); !errors.Is(err, ErrConfig) {
		t.Errorf("an ignored parameter's nonsense: %v", err)
	}
}

func TestTakeErrors(t *testing.T) {
	tests := map[string]struct {
		keys map[string]string
		want []string
	}{
		"out of range":          {map[string]string{"topology_refresh_ms": "5"}, []string{`topology_refresh_ms="5"`, "milliseconds", "at least 100ms"}},
		"not a number":          {map[string]string{"tcpKeepaliveProbes": "many"}, []string{`tcpKeepaliveProbes="many": want a whole number of at least 1`}},
		"not a mode":            {map[string]string{"failover_mode": "writer"}, []string{"want one of strict-writer, strict-reader, reader-or-writer"}},
		"of a missing plugin":   {map[string]string{"secrets_manager_secret_id": "x"}, []string{"secrets_manager_secret_id", `import _ "github.com/awsdb/awsdb/secrets"`}},
		"of another missing":    {map[string]string{"iamRegion": "x"}, []string{`import _ "github.com/awsdb/awsdb/iamauth"`}},
		"bg":                    {map[string]string{"bgConnectTimeoutMs": "1"}, []string{"of plugin bg, which does not exist here yet"}},
		"two spellings":         {map[string]string{"failover_timeout_sec": "30", "failoverTimeoutMs": "30000"}, []string{"failoverTimeoutMs and failover_timeout_sec are the same parameter: keep one"}},
		"two spellings of ours": {map[string]string{"plugins": "none", "wrapper_plugins": "none"}, []string{"plugins and wrapper_plugins are the same parameter: keep one"}},
		"unsupported":           {map[string]string{"socket_timeout": "5"}, []string{"parameter socket_timeout is not supported", "statement_timeout"}},
		"unsupported profile":   {map[string]string{"wrapperProfileName": "A"}, []string{"write the parameters into the DSN"}},
		"everything at once": {
			map[string]string{"failover_mod": "x", "topology_refresh_ms": "-1", "okta": "1", "appId": "z", "plugins": "none", "wrapperPlugins": "", "search_path": "a"},
			[]string{"unknown parameter failover_mod: did you mean", "topology_refresh_ms", "federated/okta", "are the same parameter"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := likeReal().take(test.keys)
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("error %v does not match ErrConfig", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			for key := range test.keys {
				if key != "search_path" && key != "okta" {
					t.Errorf("key %s was left for the server", key)
				}
			}
		})
	}
}

// All problems of settings and chain come in one error (users.md, 23).
func TestNewConnectorJoinsProblems(t *testing.T) {
	s, err := (&registry{}).take(map[string]string{
		"cluster_instance_host_pattern":         "no-question-mark.example.com",
		"global_cluster_instance_host_patterns": "?.example.com",
		"plugins":                               "iam,nonsense",
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewConnector(Config{Addr: "host:port:5432", Settings: s})
	if !errors.Is(err, ErrConfig) {
		t.Fatalf("error %v does not match ErrConfig", err)
	}
	for _, want := range []string{"more than one colon", `exactly one "?"`, "does not tell its region", "iamauth", "unknown plugin nonsense"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q:\n%v", want, err)
		}
	}
}

func TestMonitoringPrefix(t *testing.T) {
	keys := map[string]string{
		"topology-monitoring-connect_timeout": "3", "Topology-Monitoring-User": "watcher", "topology-monitoring-password": "s3cret",
		"application_name": "app",
	}
	s, err := (&registry{}).take(keys)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"connect_timeout": "3", "user": "watcher", "password": "s3cret"}
	if diff := cmp.Diff(want, s.Prefixed("topology-monitoring-")); diff != "" {
		t.Errorf("with the prefix (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"application_name": "app"}, keys); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// Settings of PostgreSQL itself pass untouched, whichever plugins are linked in.
func TestServerParamsPass(t *testing.T) {
	for name, r := range map[string]*registry{"none linked": {}, "some linked": likeReal()} {
		t.Run(name, func(t *testing.T) {
			for _, key := range serverSettings() {
				keys := map[string]string{key: "1"}
				if _, err := r.take(keys); err != nil {
					t.Errorf("%s: %v", key, err)
				}
				if keys[key] != "1" {
					t.Errorf("%s is gone: %v", key, keys)
				}
			}
		})
	}
}

// serverSettings are settings of PostgreSQL (pg_settings of several releases,
// and of common extensions) that a client may put into its connection string.
func serverSettings() []string {
	return strings.Fields(`
application_name array_nulls backend_flush_after backslash_quote backtrace_functions bytea_output check_function_bodies client_connection_check_interval
client_encoding client_min_messages commit_delay commit_siblings compute_query_id constraint_exclusion cpu_index_tuple_cost cpu_operator_cost cpu_tuple_cost
createrole_self_grant cursor_tuple_fraction DateStyle datestyle deadlock_timeout debug_discard_caches debug_parallel_query debug_pretty_print
debug_print_parse debug_print_plan debug_print_rewritten default_statistics_target default_table_access_method default_tablespace
default_text_search_config default_toast_compression default_transaction_deferrable default_transaction_isolation default_transaction_read_only
dynamic_library_path effective_cache_size effective_io_concurrency enable_async_append enable_bitmapscan enable_gathermerge enable_group_by_reordering
enable_hashagg enable_hashjoin enable_incremental_sort enable_indexonlyscan enable_indexscan enable_material enable_memoize enable_mergejoin
enable_nestloop enable_parallel_append enable_parallel_hash enable_partition_pruning enable_partitionwise_aggregate enable_partitionwise_join
enable_presorted_aggregate enable_seqscan enable_sort enable_tidscan escape_string_warning event_triggers exit_on_error extra_float_digits
file_copy_method from_collapse_limit geqo geqo_effort geqo_generations geqo_pool_size geqo_seed geqo_selection_bias geqo_threshold gin_fuzzy_search_limit
gin_pending_list_limit hash_mem_multiplier icu_validation_level idle_in_transaction_session_timeout idle_session_timeout ignore_checksum_failure
ignore_invalid_pages ignore_system_indexes IntervalStyle intervalstyle io_combine_limit jit jit_above_cost jit_debugging_support jit_expressions
jit_inline_above_cost jit_optimize_above_cost jit_provider jit_tuple_deforming join_collapse_limit lc_messages lc_monetary lc_numeric lc_time
lo_compat_privileges local_preload_libraries lock_timeout log_disconnections log_duration log_error_verbosity log_executor_stats log_lock_waits
log_min_duration_sample log_min_duration_statement log_min_error_statement log_min_messages log_parameter_max_length log_parser_stats log_planner_stats
log_replication_commands log_statement log_statement_sample_rate log_statement_stats log_temp_files log_transaction_sample_rate
logical_decoding_work_mem maintenance_io_concurrency maintenance_work_mem max_parallel_maintenance_workers max_parallel_workers
max_parallel_workers_per_gather max_stack_depth min_parallel_index_scan_size min_parallel_table_scan_size options parallel_leader_participation
parallel_setup_cost parallel_tuple_cost password_encryption plan_cache_mode post_auth_delay quote_all_identifiers random_page_cost recursive_worktable_factor
replication restrict_nonsystem_relation_kind role row_security scram_iterations search_path seed send_abort_for_crash seq_page_cost
session_preload_libraries session_replication_role standard_conforming_strings statement_timeout stats_fetch_consistency synchronize_seqscans
synchronous_commit tcp_keepalives_count tcp_keepalives_idle tcp_keepalives_interval tcp_user_timeout temp_buffers temp_file_limit temp_tablespaces
TimeZone timezone timezone_abbreviations trace_notify trace_sort track_activities track_activity_query_size track_counts track_cost_delay_timing
track_functions track_io_timing track_wal_io_timing transaction_deferrable transaction_isolation transaction_read_only transaction_timeout
transform_null_equals update_process_title vacuum_buffer_usage_limit vacuum_cost_delay vacuum_cost_limit vacuum_cost_page_dirty
vacuum_failsafe_age vacuum_freeze_min_age vacuum_freeze_table_age wal_compression wal_consistency_checking wal_init_zero wal_recycle
wal_sender_timeout wal_skip_threshold work_mem xmlbinary xmloption zero_damaged_pages
my.setting app.tenant_id plpgsql.variable_conflict pg_stat_statements.track auto_explain.log_min_duration failover.mode aurora.enable_repl_bin_log_filtering
rds.force_ssl apg_enable_function_migration apg_plan_mgmt.use_plan_baselines aurora_replica_read_consistency is_superuser session_authorization
server_version in_hot_standby`)
}

func TestParamsIsACopy(t *testing.T) {
	Params()[0].Name = "changed"
	if Params()[0].Name != "plugins" {
		t.Error("a caller changed the parameters of everybody")
	}
}

func TestEditDistance(t *testing.T) {
	tests := []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "ab", 1}, {"ab", "abc", 1}, {"kitten", "sitting", 3},
		{"plugins", "plguins", 2}, {"a", "abcdef", 4}, {"abcdef", "uvwxyz", 4}, {"", "abc", 3},
	}
	for _, test := range tests {
		if got := editDistance(test.a, test.b, 4); got != test.want {
			t.Errorf("editDistance(%q, %q) = %d, want %d", test.a, test.b, got, test.want)
		}
	}
}

func FuzzTakeSettings(f *testing.F) {
	f.Add("plugins", "none", "search_path", "public")
	f.Add("failover_timeout_sec", "30", "failoverTimeoutMs", "30000")
	f.Add("topology-monitoring-user", "x", "TOPOLOGY-monitoring-", "")
	f.Add("topology_refresh_ms", "NaN", "tcp_keepalive_time", "-Inf")
	f.Add("", "", "\xff\x00", "\u212a")
	f.Add("__--", "1e999", "my.setting", "a b")
	r := likeReal()
	f.Fuzz(func(t *testing.T, key1, value1, key2, value2 string) {
		given := map[string]string{key1: value1, key2: value2}
		keys := maps.Clone(given)
		s, err := r.take(keys)
		for key, value := range keys {
			if old, ok := given[key]; !ok || old != value {
				t.Errorf("key %q was left as %q, given was %q (%t)", key, value, old, ok)
			}
		}
		if err != nil {
			if !errors.Is(err, ErrConfig) {
				t.Errorf("error %v does not match ErrConfig", err)
			}
			return
		}
		// What is left is nobody's: taking again takes nothing.
		again := maps.Clone(keys)
		if _, err := r.take(again); err != nil || !maps.Equal(keys, again) {
			t.Errorf("second take: %v, %q became %q", err, keys, again)
		}
		if d := s.Duration("failover_timeout_sec"); d < 0 || d > 365*24*time.Hour {
			t.Errorf("failover_timeout_sec is %s", d)
		}
	})
}

// The nearest name is suggested, not the first that is near enough.
func TestSuggestionIsTheNearest(t *testing.T) {
	for key, want := range map[string]string{
		"failover_timout_sec":       "failover_timeout_sec",
		"failover_mod":              "failover_mode",
		"clusterInstanceHostPatern": "cluster_instance_host_pattern",
		"wraper_plugins":            "plugins",
		"plugin":                    "plugins",
		"cluster_idd":               "cluster_id",
		"tcp_keepalive_tim":         "tcp_keepalive_time",
		"failure_detection_tme_ms":  "failure_detection_time_ms",
	} {
		_, err := likeReal().take(map[string]string{key: "1"})
		if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "unknown parameter "+key+": did you mean "+want+"?") {
			t.Errorf("%s: %v, want %s", key, err, want)
		}
	}
}
