package core

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// namedPlugin can do nothing but say its name.
type namedPlugin string

func (p namedPlugin) Code() string { return string(p) }

func named(code string, stage Stage) Info {
	return Info{
		Code:  code,
		Stage: stage,
		New:   func(Settings) (Plugin, error) { return namedPlugin(code), nil },
	}
}

func always(Settings) bool { return true }

func registryOf(infos ...Info) *registry {
	r := &registry{}
	for _, i := range infos {
		r.register(&i)
	}
	return r
}

func codesOf(plugins []Plugin) []string {
	var codes []string
	for _, p := range plugins {
		codes = append(codes, p.Code())
	}
	return codes
}

// buildFrom runs both halves of what opening a DSN does.
func buildFrom(t *testing.T, r *registry, keys map[string]string) ([]string, error) {
	t.Helper()
	s, err := r.take(keys)
	if err != nil {
		t.Fatal(err)
	}
	built, err := r.build(s)
	return codesOf(built), err
}

func TestChainOrderIsStageThenCode(t *testing.T) {
	infos := []Info{
		named("z_route", StageRoute), named("a_login", StageLogin), named("b_monitor", StageMonitor),
		named("a_monitor", StageMonitor), named("m_failover", StageFailover), named("fault", StageFault),
		named("switch", StageSwitchover), named("split", StageSplit),
	}
	for i := range infos {
		infos[i].Default = always
	}
	want := []string{"switch", "z_route", "split", "a_monitor", "b_monitor", "m_failover", "a_login", "fault"}
	for rotation := range infos {
		rotated := append(slices.Clone(infos[rotation:]), infos[:rotation]...)
		r := registryOf(rotated...)
		got, err := buildFrom(t, r, map[string]string{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("registered from %d on (-want +got):\n%s", rotation, diff)
		}
		// The order in the DSN does not matter either.
		got, err = buildFrom(t, r, map[string]string{"plugins": "fault, a_login,switch,b_monitor ,a_monitor,split,m_failover,z_route"})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("named in the DSN (-want +got):\n%s", diff)
		}
	}
}

func TestRegisterPanics(t *testing.T) {
	base := named("failover", StageFailover)
	base.Aliases = []string{"failover_v2", "failover2"}
	withAlias := func(code string, aliases ...string) Info {
		i := named(code, StageFailover)
		i.Aliases = aliases
		return i
	}
	tests := map[string]struct {
		info Info
		want string
	}{
		"same code":                 {named("failover", StageLogin), `"failover"`},
		"same code, other spelling": {named("Fail-Over", StageLogin), `"failover"`},
		"code is an alias":          {named("failover_v2", StageLogin), `"failover"`},
		"alias is a code":           {withAlias("other", "failover"), `"failover"`},
		"alias is an alias":         {withAlias("other", "failover-2"), `"failover"`},
		"no code":                   {Info{New: base.New}, "needs Code and New"},
		"no constructor":            {Info{Code: "other"}, "needs Code and New"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := registryOf(base)
			defer func() {
				message, _ := recover().(string)
				if !strings.Contains(message, test.want) {
					t.Errorf("panic %q, want one that contains %s", message, test.want)
				}
				if got := len(r.all()); got != 1 {
					t.Errorf("%d plugins after the panic, want the first alone", got)
				}
			}()
			r.register(&test.info)
			t.Error("no panic")
		})
	}
}

func TestRegisterIsForTheGivenRegistryOnly(t *testing.T) {
	registryOf(named("only_here", StageLogin))
	for _, i := range Plugins() {
		if i.Code == "only_here" {
			t.Fatal("a registry of its own reached the process's")
		}
	}
}

func TestChoiceOfPlugins(t *testing.T) {
	following := named("failover", StageFailover)
	following.Aliases = []string{"failover_v2", "failover2"}
	following.Default = always
	login := named("iam", StageLogin)
	login.Params = []Param{{Name: "iam_region"}}
	login.Default = func(s Settings) bool { return s.Given("iam_region") }
	splitting := named("read_write_splitting", StageSplit) // Default nil: only when named
	r := registryOf(following, login, splitting)

	tests := map[string]struct {
		keys map[string]string
		want []string
	}{
		"absent":                      {map[string]string{}, []string{"failover"}},
		"absent, login configured":    {map[string]string{"iamRegion": "us-east-1"}, []string{"failover", "iam"}},
		"none":                        {map[string]string{"plugins": "none"}, nil},
		"None":                        {map[string]string{"plugins": " None "}, nil},
		"empty":                       {map[string]string{"plugins": ""}, nil},
		"exactly those named":         {map[string]string{"plugins": "iam"}, []string{"iam"}},
		"wrapper_plugins":             {map[string]string{"wrapper_plugins": "iam,failover"}, []string{"failover", "iam"}},
		"wrapperPlugins":              {map[string]string{"wrapperPlugins": "readWriteSplitting"}, []string{"read_write_splitting"}},
		"alias":                       {map[string]string{"plugins": "failover2"}, []string{"failover"}},
		"alias and code":              {map[string]string{"plugins": "failover_v2,failover"}, []string{"failover"}},
		"commas and spaces":           {map[string]string{"plugins": ", failover ,,iam, "}, []string{"failover", "iam"}},
		"named beats configured":      {map[string]string{"plugins": "failover", "iam_region": "eu-west-1"}, []string{"failover"}},
		"none beats what has default": {map[string]string{"wrapper_plugins": "none", "iam_region": "eu-west-1"}, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := buildFrom(t, r, test.keys)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("plugins (-want +got):\n%s", diff)
			}
		})
	}
}

func TestChoiceOfPluginsErrors(t *testing.T) {
	a, b := named("alpha", StageFailover), named("beta", StageFailover)
	a.Aliases = []string{"first"}
	a.Conflicts = []string{"beta"}
	b.Conflicts = []string{"first"}
	broken := named("broken", StageLogin)
	cause := errors.New("the certificate file is missing")
	broken.New = func(Settings) (Plugin, error) { return nil, cause }
	absent := named("absent", StageLogin)
	absent.New = func(Settings) (Plugin, error) { return nil, nil } // switched off by its own parameter
	r := registryOf(a, b, broken, absent)

	tests := map[string]struct {
		plugins string
		want    []string // each must be in the message
	}{
		"not linked in":           {"iam", []string{`plugin iam is not linked in: import _ "github.com/awsdb/awsdb/iamauth"`}},
		"not linked in, nested":   {"federatedAuth", []string{`import _ "github.com/awsdb/awsdb/federated/adfs"`}},
		"does not exist yet":      {"gdbReadWriteSplitting", []string{"plugin gdbReadWriteSplitting does not exist here yet: take it out; open two pools"}},
		"not part of failover":    {"gdb_failover", []string{"plugin gdb_failover does not exist here yet: take it out; plugin failover follows"}},
		"unknown":                 {"nonsense", []string{"unknown plugin nonsense", "alpha, beta"}},
		"conflict":                {"beta,alpha", []string{"plugins alpha and beta cannot run together: keep one"}},
		"constructor fails":       {"broken", []string{"plugin broken: the certificate file is missing"}},
		"all problems in one":     {"alpha,beta,broken,nonsense,okta", []string{"alpha and beta", "broken", "unknown plugin nonsense", "federated/okta"}},
		"with an absent plugin":   {"absent,broken", []string{"plugin broken"}},
		"conflict by both is one": {"alpha,first,beta", []string{"plugins alpha and beta cannot run together"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := buildFrom(t, r, map[string]string{"plugins": test.plugins})
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("error %v does not match ErrConfig", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error lacks %q:\n%v", want, err)
				}
			}
			if n := strings.Count(err.Error(), "cannot run together"); n > 1 {
				t.Errorf("the conflict is reported %d times:\n%v", n, err)
			}
			if strings.Contains(test.plugins, "broken") && !errors.Is(err, cause) {
				t.Error("the constructor's error is not in the chain")
			}
		})
	}
	got, err := buildFrom(t, r, map[string]string{"plugins": "absent"})
	if err != nil || len(got) != 0 {
		t.Errorf("a constructor that gives no plugin: %v, %v", got, err)
	}
}

// Every plugin of the design is known by all its codes, so that the error can
// name the import, or say that there is none yet.
func TestKnownPluginsNameTheirImport(t *testing.T) {
	const none = "does not exist here yet"
	tests := map[string]string{ // design.md, Rooms
		"failover": "failover", "failover_v2": "failover", "failover2": "failover", "gdb_failover": none, "gdbFailover": none,
		"aurora_connection_tracker": "failover", "auroraConnectionTracker": "failover", "stale_dns": "failover", "initial_connection": "failover",
		"host_monitoring_v2": "hostmonitor", "host_monitoring": "hostmonitor", "efm": "hostmonitor", "efm2": "hostmonitor",
		"read_write_splitting": none, "srw": none, "gdb_rw": none, "fastest_response_strategy": none,
		"iam": "iamauth", "aws_secrets_manager": "secrets", "federated_auth": "federated/adfs", "okta": "federated/okta",
		"custom_endpoint": none, "bg": none, "limitless": none, "dev": none, "connectTime": none, "executionTime": none,
	}
	for code, module := range tests {
		_, err := buildFrom(t, &registry{}, map[string]string{"plugins": code})
		want := none
		if module != none {
			want = `import _ "github.com/awsdb/awsdb/` + module + `"`
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "import") != (module != none) {
			t.Errorf("plugins=%s: %v, want %s", code, err, want)
		}
	}
}

// It does not matter which of the two lists the conflict.
func TestConflictListedByTheLater(t *testing.T) {
	a, b := named("alpha", StageFailover), named("beta", StageFailover)
	b.Conflicts = []string{"alpha"}
	if _, err := buildFrom(t, registryOf(a, b), map[string]string{"plugins": "alpha,beta"}); !errors.Is(err, ErrConfig) {
		t.Errorf("alpha and beta run together: %v", err)
	}
}

// A plugin can also be wrong by itself.
func TestRegisterPanicsOnItsOwnDuplicates(t *testing.T) {
	panics := func(f func()) (did bool) {
		defer func() { did = recover() != nil }()
		f()
		return false
	}
	for name, aliases := range map[string][]string{"alias is its own code": {"Al-pha"}, "alias twice": {"a", "A"}} {
		i := named("alpha", StageFailover)
		i.Aliases = aliases
		if !panics(func() { registryOf(i) }) {
			t.Errorf("%s: no panic", name)
		}
	}
	a, b := named("alpha", StageFailover), named("beta", StageFailover)
	a.Params = []Param{{Name: "limit", Kind: Int}}
	b.Params = []Param{{Name: "limit", Kind: Bool}}
	if !panics(func() { registryOf(a, b) }) {
		t.Error("one parameter declared in two ways: no panic")
	}
	c := named("gamma", StageFailover)
	c.Params = []Param{{Name: "number", Kind: Int, Default: "x"}}
	if !panics(func() { registryOf(c) }) {
		t.Error("a default that does not parse: no panic")
	}
}

// Parameters of plugins that other wrappers have and awsdb has not do not reach the server, either, which would take them
// for its own settings. The error does not send anybody after a module that does not exist.
func TestParamsOfPluginsThatDoNotExist(t *testing.T) {
	for _, key := range []string{
		"failoverHomeRegion", "active_home_failover_mode", "readerHostSelectorStrategy", "srwReadEndpoint", "gdbRwHomeRegion", "responseMeasurementIntervalMs",
		"customEndpointRegion", "wait_for_custom_endpoint_info", "bgdId", "bgd_id", "bgBaselineMs", "blue-green-monitoring-connect_timeout", "limitlessConnectMaxRetries",
		"roundRobinHostWeightPairs", "round_robin_default_weight", "weighted_random_host_weight_pairs", "telemetrySubmitToplevel",
	} {
		_, err := registryOf().take(map[string]string{key: "secret value"})
		if err == nil || !strings.Contains(err.Error(), key) || strings.Contains(err.Error(), "import") || strings.Contains(err.Error(), "secret value") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Parameters of credential plugins that are not linked in never reach the server: their errors
// name the import. The spellings are those of the other wrappers.
func TestMissingCredentialPlugins(t *testing.T) {
	for module, keys := range map[string][]string{
		"iamauth": {
			"iam_host", "iamHost", "iam_default_port", "iamDefaultPort", "iam_region", "iamRegion", "iam_expiration", "iamExpirationSec",
			"iamAccessTokenPropertyName", "iam_insecure_transport", "aws_profile", "awsProfile",
		},
		"secrets": {
			"secrets_manager_secret_id", "secretsManagerSecretId", "secretId", "secrets_manager_region", "secretRegion",
			"secrets_manager_endpoint", "secretEndpoint", "secretsManagerSecretUsernameProperty", "secretUsernameProperty",
			"secrets_manager_secret_password_key", "secretPasswordProperty", "secretsManagerExpirationTimeSec", "secretExpirationSec",
			"secretsManagerConnectRetryTimeoutMs", "secretsManagerConnectRetryIntervalMs",
		},
		"federated/adfs": {
			"db_user", "dbUser", "idp_endpoint", "idpPort", "idpUsername", "idp_password", "idpName", "iamRoleArn", "iam_idp_arn", "rpIdentifier",
			"iamTokenExpirationSec", "iam_token_expiration", "http_request_connect_timeout", "httpTimeoutMs",
			"httpClientConnectTimeout", "httpClientSocketTimeout", "ssl_secure", "sslInsecure",
		},
		"federated/okta": {"app_id", "appId"},
	} {
		for _, key := range keys {
			_, err := registryOf().take(map[string]string{key: "secret value"})
			if err == nil || !strings.Contains(err.Error(), "github.com/awsdb/awsdb/"+module+"\"") || strings.Contains(err.Error(), "secret value") {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	for _, code := range []string{"iam", "aws_secrets_manager", "awsSecretsManager", "awsSecretsManager2", "secretsManager", "federated_auth", "federatedAuth", "okta"} {
		if _, err := buildFrom(t, registryOf(), map[string]string{"plugins": code}); err == nil || !strings.Contains(err.Error(), "import _") {
			t.Errorf("plugins=%s: %v", code, err)
		}
	}
}
