package pgdriver

import (
	"crypto/tls"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// owned are fields of a configuration, as paths, that need not be what pgx makes of the same text, with the reason. All
// others must be equal, also those that later versions of pgx add.
type owned map[string]string

var (
	// ownedByUs are of a *pgx.ConnConfig.
	ownedByUs = owned{"connString": "the text itself, which has our keys"}

	// ownedByLogin are of what opens a pool's connections.
	ownedByLogin = with(ownedByUs, owned{
		"Config.BuildContextWatcherHandler": "a deadline closes the socket: no server is to be told of a login that is given up",
		"Config.ConnectTimeout":             "pgxpool's limit where there is none",
	})

	// ownedByPool are of a *pgxpool.Config that ConfigurePool has changed. What is not there is at work in the login.
	ownedByPool = owned{
		"ConnConfig.connString":                        "the text itself, which has our keys",
		"ConnConfig.Config.TLSConfig":                  "of the login",
		"ConnConfig.Config.Fallbacks":                  "of the login",
		"ConnConfig.Config.SSLNegotiation":             "of the login",
		"ConnConfig.Config.SSLCertMode":                "of the login",
		"ConnConfig.Config.ChannelBinding":             "of the login",
		"ConnConfig.Config.RequireAuth":                "of the login",
		"ConnConfig.Config.ConnectTimeout":             "of the login",
		"ConnConfig.Config.ValidateConnect":            "of the login",
		"ConnConfig.Config.DialFunc":                   "the whole chain",
		"ConnConfig.Config.LookupFunc":                 "the chain looks names up",
		"ConnConfig.Config.AfterConnect":               "takes over what ValidateConnect has noted",
		"ConnConfig.Config.OnPgError":                  "has a demoted host looked at",
		"ConnConfig.Config.BuildContextWatcherHandler": "has a host looked at after a deadline",
		"BeforeConnect":                                "of the login",
		"AfterConnect":                                 "notes the connection",
		"PrepareConn":                                  "refuses lost connections",
		"ShouldPing":                                   "nothing is pinged",
		"BeforeClose":                                  "ends the session",
	}
)

func with(a, b owned) owned {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// same compares all that a configuration says but for what is owned. Functions are equal if their code is.
func (o owned) same() cmp.Options {
	return cmp.Options{
		cmp.FilterPath(func(p cmp.Path) bool { return o[p.String()] != "" }, cmp.Ignore()),
		cmp.AllowUnexported(pgx.ConnConfig{}, pgconn.Config{}, pgxpool.Config{}),
		cmpopts.EquateEmpty(),
		cmpopts.IgnoreUnexported(tls.Config{}), // caches
		cmpopts.IgnoreMapEntries(func(key, _ string) bool { return key == configuredKey }),
		cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() != nil && p.Last().Type().Kind() == reflect.Func },
			cmp.Comparer(func(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() })),
	}
}

// sameConfig compares *pgx.ConnConfigs, or parts of them.
var sameConfig = ownedByUs.same()

// TestOwnedFieldsExist: nothing is let off that is not there any more.
func TestOwnedFieldsExist(t *testing.T) {
	for _, list := range []struct {
		owned owned
		of    reflect.Type
	}{{ownedByUs, reflect.TypeFor[pgx.ConnConfig]()}, {ownedByLogin, reflect.TypeFor[pgx.ConnConfig]()}, {ownedByPool, reflect.TypeFor[pgxpool.Config]()}} {
		for path := range list.owned {
			of := list.of
			for name := range strings.SplitSeq(path, ".") {
				field, ok := of.FieldByNameFunc(func(n string) bool { return n == name })
				if !ok {
					t.Errorf("%v has no field %s", list.of, path)
					break
				}
				of = field.Type
				if of.Kind() == reflect.Pointer {
					of = of.Elem()
				}
			}
		}
	}
}

// TestSameConfigSeesEveryField: a difference in any field that is not owned is one, and in any parameter of a connection string.
func TestSameConfigSeesEveryField(t *testing.T) {
	base := parsedPool(t, "postgres://app:s@a.example,b.example/x?sslmode=require")
	check := func(what string, list owned, root, a, b any) {
		var differ func(path []string, v reflect.Value)
		differ = func(path []string, v reflect.Value) {
			for i := range v.NumField() {
				name := append(slices.Clone(path), v.Type().Field(i).Name)
				field := v.Field(i)
				switch {
				case list[strings.Join(name, ".")] != "" || !field.CanSet():
					continue
				case field.Kind() == reflect.Pointer && field.Type().Elem() == reflect.TypeFor[pgx.ConnConfig]():
					differ(name, field.Elem())
					continue
				case field.Kind() == reflect.Struct:
					differ(name, field)
					continue
				}
				kept := reflect.New(field.Type()).Elem()
				kept.Set(field)
				if !change(field) {
					t.Errorf("%s: %v: teach this test %v", what, name, field.Type())
				} else if cmp.Equal(a, b, list.same()) {
					t.Errorf("%s: %v makes no difference", what, name)
				}
				field.Set(kept)
			}
		}
		differ(nil, reflect.ValueOf(root).Elem())
		if diff := cmp.Diff(a, b, list.same()); diff != "" {
			t.Errorf("%s: a configuration differs from itself:\n%s", what, diff)
		}
	}
	pool := base.Copy()
	check("a pool", ownedByPool, pool, base, pool)
	conn := base.ConnConfig.Copy()
	check("a connection", ownedByUs, conn, base.ConnConfig, conn)
}

// change gives a field another value.
func change(field reflect.Value) bool {
	switch field.Kind() {
	case reflect.String:
		field.SetString(field.String() + "x")
	case reflect.Bool:
		field.SetBool(!field.Bool())
	case reflect.Int, reflect.Int32, reflect.Int64:
		field.SetInt(field.Int() + 1)
	case reflect.Uint16:
		field.SetUint(field.Uint() + 1)
	case reflect.Map:
		field.Set(reflect.ValueOf(map[string]string{"a": "b"}))
	case reflect.Slice:
		field.Set(field.Slice(0, field.Len()-1))
	case reflect.Func:
		field.Set(reflect.MakeFunc(field.Type(), nil))
	case reflect.Pointer:
		field.Set(reflect.Zero(field.Type()))
	case reflect.Interface:
		field.Set(reflect.ValueOf(topTracer{}))
	default:
		return false
	}
	return true
}

func parsedPool(t *testing.T, dsn string) *pgxpool.Config {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}
