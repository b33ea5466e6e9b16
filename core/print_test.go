package core

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// B94: nothing that an application or a plugin holds shows a password when it is printed.
func TestNothingPrintsSecrets(t *testing.T) {
	const secret = "hunter2-"
	declared := &registry{}
	declared.register(&Info{Code: "p", Params: []Param{{Name: "idp_password"}}, New: func(Settings) (Plugin, error) { return nil, nil }})
	settings, err := declared.take(map[string]string{"idp_password": secret + "idp", "topology-monitoring-password": secret + "monitor"})
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Engine: &fakeEngine{}, Family: "fake", Addr: fakeAddress, User: "app", Password: secret + "dsn", Settings: settings}
	k, err := NewConnector(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() }) // never fails
	target := Target{Password: secret + "token", Login: k.Settings().Login()}
	for name, value := range map[string]any{
		"Connector": k, "Settings": k.Settings(), "pointer": &settings, "Config": cfg, "Login": k.Settings().Login(), "Target": target,
	} {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
		slog.New(slog.NewTextHandler(&out, nil)).Info("text", "value", value)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "value", value)
		if encoded, err := json.Marshal(value); err == nil {
			out.Write(encoded)
		}
		for _, leak := range []string{secret, fmt.Sprintf("%x", secret)} {
			if at := strings.Index(out.String(), leak); at >= 0 {
				t.Errorf("%s shows %.60q", name, out.String()[at:])
			}
		}
	}
}
