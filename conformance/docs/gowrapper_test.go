package docs

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/awsdb/awsdb/core"
	"github.com/awsdb/awsdb/mysqldriver"
	"github.com/awsdb/awsdb/pgdriver"
)

const goWrapper = "../../docs/from-aws-go-wrapper.md"

// goWrapperParameters are all that the AWS Go wrapper 2.0.3 knows beside what is the driver's.
var goWrapperParameters = strings.Fields(`
	plugins autoSortPluginOrder databaseDialect targetDriverDialect targetDriverAutoRegister singleWriterDsn awsProfile
	transferSessionStateOnSwitch resetSessionStateOnClose rollbackOnSwitch
	clusterId clusterInstanceHostPattern globalClusterInstanceHostPatterns clusterTopologyRefreshRateMs
	clusterTopologyHighRefreshRateMs clusterTopologyConnectTimeoutMs clusterTopologySocketTimeoutMs
	failoverMode failoverTimeoutMs failoverReaderHostSelectorStrategy enableConnectFailover failoverHomeRegion
	activeHomeFailoverMode inactiveHomeFailoverMode telemetryFailoverAdditionalTopTrace
	failureDetectionTimeMs failureDetectionIntervalMs failureDetectionCount monitorDisposalTimeMs
	readerHostSelectorStrategy gdbRwHomeRegion gdbRwRestrictWriterToHomeRegion gdbRwRestrictReaderToHomeRegion
	roundRobinHostWeightPairs roundRobinDefaultWeight weightedRandomHostWeightPairs
	readerInitialConnectionHostSelectorStrategy initialConnectionRetryTimeoutMs initialConnectionRetryIntervalMs
	verifyInitialConnectionType
	customEndpointInfoRefreshRateMs waitForCustomEndpointInfo waitForCustomEndpointInfoTimeoutMs
	customEndpointMonitorExpirationMs customEndpointRegion
	bgdId bgConnectTimeoutMs bgBaselineMs bgIncreasedMs bgHighMs bgSwitchoverTimeoutMs bgSuspendNewBlueConnections
	limitlessMonitoringIntervalMs limitlessTransactionRouterMonitorDisposalTimeMs
	limitlessTransactionRouterCacheExpirationTimeMs limitlessWaitForTransactionRouterInfo
	limitlessGetTransactionRouterInfoMaxRetries limitlessGetTransactionRouterInfoRetryIntervalMs
	limitlessConnectMaxRetries limitlessTransactionRouterFetchTimeoutMs limitlessUseShardGroupUrl
	iamHost iamDefaultPort iamRegion iamExpirationSec
	secretsManagerSecretId secretsManagerRegion secretsManagerEndpoint secretsManagerSecretUsernameProperty
	secretsManagerSecretPasswordProperty secretsManagerExpirationSec
	dbUser idpEndpoint idpPort idpUsername idpPassword iamRoleArn iamIdpArn rpIdentifier appId iamTokenExpirationSec
	httpTimeoutMs sslInsecure
	enableTelemetry telemetrySubmitToplevel telemetryTracesBackend telemetryMetricsBackend`)

// opened opens a handle of each engine with these parameters, and returns the first error.
func opened(parameters string) error {
	const host = "mydb.cluster-c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	for _, open := range []func() error{
		func() error {
			return closed(pgdriver.Driver{}.OpenConnector("postgres://app:secret@" + host + "/app?" + parameters))
		},
		func() error {
			parameters := strings.ReplaceAll(parameters, "aurora-pg", "aurora-mysql")
			return closed(mysqldriver.Driver{}.OpenConnector("app:secret@tcp(" + host + ")/app?" + parameters))
		},
	} {
		if err := open(); err != nil {
			return err
		}
	}
	return nil
}

// closed closes a connector that could be opened. None has done anything yet.
func closed(connector any, err error) error {
	if err != nil {
		return err
	}
	return connector.(*core.Connector).Close()
}

// sample is a value of a parameter that a connection string may have.
func sample(p core.Param) string {
	switch {
	case p.Name == "plugins":
		return "none"
	case p.Name == "wrapper_dialect":
		return "aurora-pg"
	case strings.HasSuffix(p.Name, "_host_pattern"), strings.HasSuffix(p.Name, "_host_patterns"):
		return "?.c9xyz0abcdef.us-east-1.rds.amazonaws.com"
	case p.Kind == core.Bool:
		return "true"
	case p.Default != "":
		return p.Default
	case len(p.Values) > 0:
		return p.Values[0]
	}
	return "1"
}

// TestGoWrapperParameters: each that the page calls the same is accepted, and means that one.
func TestGoWrapperParameters(t *testing.T) {
	byKey := map[string]core.Param{}
	for _, d := range declared() {
		byKey[fold(d.Name)] = d.Param
		for _, a := range d.Aliases {
			byKey[fold(a.Name)] = d.Param
		}
	}
	var listed []string
	for _, row := range rows(t, goWrapper, "<!-- parameters of the AWS Go wrapper: checked by conformance/docs -->", "<!-- end of parameters -->") {
		there, here := quoted(row[0]), quoted(row[1])
		if len(there) != len(here) {
			t.Errorf("%q: not as many names on both sides", row)
			continue
		}
		listed = append(listed, there...)
		for n, name := range there {
			p := byKey[fold(name)]
			if p.Name != here[n] {
				t.Errorf("%s means %q here, the page says %s", name, p.Name, here[n])
			}
			if without := strings.Contains(row[len(row)-1], "not needed"); without != p.Ignored {
				t.Errorf("%s: without effect %t, the page says %q", name, p.Ignored, row)
			}
			parameters := name + "=" + sample(p)
			if p.Name != "plugins" { // those of logins want others beside them
				parameters += "&plugins=failover,efm"
			}
			if err := opened(parameters); err != nil {
				t.Errorf("%s: %v", parameters, err)
			}
		}
	}
	for _, row := range rows(t, goWrapper, "<!-- not there yet: checked by conformance/docs -->", "<!-- end of not there yet -->") {
		for _, name := range quoted(row[0]) {
			listed = append(listed, name)
			if p, ok := byKey[fold(name)]; ok {
				t.Errorf("%s is there: %s", name, p.Name)
			}
			if err := opened(name + "=1"); !errors.Is(err, core.ErrConfig) {
				t.Errorf("%s=1: %v, the page says that it is an error", name, err)
			}
		}
	}
	slices.Sort(listed)
	if diff := cmp.Diff(slices.Sorted(slices.Values(goWrapperParameters)), listed); diff != "" {
		t.Error(diff)
	}
}

// TestGoWrapperPlugins: the codes of the page open, or do not.
func TestGoWrapperPlugins(t *testing.T) {
	beside := map[string]string{ // what a plugin wants to be told
		"awsSecretsManager": "&secretsManagerSecretId=app",
		"federatedAuth":     signIn,
		"okta":              signIn + "&appId=0abcdefghi",
	}
	const begin, end = "<!-- plugins of the AWS Go wrapper: checked by conformance/docs -->", "<!-- end of plugins -->"
	known := registered()
	for _, row := range rows(t, goWrapper, begin, end) {
		there, here := quoted(row[0]), quoted(row[1])
		for n, code := range there {
			if got := known[fold(code)]; got != here[n] {
				t.Errorf("%s means %q here, the page says %s", code, got, here[n])
			}
			more := beside[code]
			if err := opened("plugins=" + code + more); err != nil {
				t.Errorf("plugins=%s%s: %v", code, more, err)
			}
		}
	}
	_, rest, _ := strings.Cut(read(t, goWrapper), end)
	missing, _, _ := strings.Cut(rest, "\n## ")
	codes := 0
	for _, code := range quoted(missing) {
		if code == "none" {
			continue
		}
		codes++
		if err := opened("plugins=" + code); !errors.Is(err, core.ErrConfig) {
			t.Errorf("plugins=%s: %v, the page says that it is an error", code, err)
		}
	}
	if codes == 0 {
		t.Error("the page has lost the plugins that are not there")
	}
}

const signIn = "&idpEndpoint=sso.example.com&idpUsername=u&idpPassword=p&dbUser=app" +
	"&iamRoleArn=arn:aws:iam::123456789012:role%2Fapp&iamIdpArn=arn:aws:iam::123456789012:saml-provider%2Fsso"
