package cloud

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// value is what GetSecretValue answers with.
type value struct {
	ARN, Name, VersionID, SecretString string
	SecretBinary                       []byte
	VersionStages                      []string
	CreatedDate                        float64
}

// get asks for a secret; the fields of body are those of GetSecretValue.
func get(t *testing.T, c *Cloud, i Identity, region, body string) (value, answer) {
	t.Helper()
	a := mustSend(t, c, secretRequest(t.Context(), t, i, region, body))
	var v value
	if a.status == http.StatusOK {
		if err := json.Unmarshal([]byte(a.body), &v); err != nil {
			t.Fatal(err)
		}
	}
	return v, a
}

func TestRotation(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		identity := c.AddIdentity("app", Policy{})
		stages := func() map[string]string { // what each stage has, with the other stages of that version
			found := map[string]string{}
			for _, stage := range []string{Current, Pending, Previous} {
				if v, a := get(t, c, identity, "us-east-1", `{"SecretId":"db","VersionStage":"`+stage+`"}`); a.status == http.StatusOK {
					found[stage] = v.SecretString + " " + strings.Join(v.VersionStages, " ")
				} else {
					wantProblem(t, a, http.StatusBadRequest, "ResourceNotFoundException")
				}
			}
			return found
		}
		wantEqual(t, "before", stages(), map[string]string{})
		c.FinishRotation("db")
		c.PutSecret("db", "first")
		wantEqual(t, "put", stages(), map[string]string{Current: "first AWSCURRENT"})
		c.StageSecret("db", "second")
		wantEqual(t, "staged", stages(), map[string]string{Current: "first AWSCURRENT", Pending: "second AWSPENDING"})
		pending, _ := get(t, c, identity, "us-east-1", `{"SecretId":"db","VersionStage":"AWSPENDING"}`)
		c.FinishRotation("db")
		after := map[string]string{Current: "second AWSCURRENT AWSPENDING", Pending: "second AWSCURRENT AWSPENDING", Previous: "first AWSPREVIOUS"}
		wantEqual(t, "finished", stages(), after)
		c.FinishRotation("db")
		wantEqual(t, "finished twice", stages(), after)
		current, _ := get(t, c, identity, "us-east-1", `{"SecretId":"db"}`)
		wantEqual(t, "current by default", current, pending.with(current.VersionStages))
		byID, _ := get(t, c, identity, "us-east-1", `{"SecretId":"db","VersionId":"`+pending.VersionID+`"}`)
		wantEqual(t, "by identifier", byID, current)
		_, a := get(t, c, identity, "us-east-1", `{"SecretId":"db","VersionStage":"AWSPREVIOUS","VersionId":"`+pending.VersionID+`"}`)
		wantProblem(t, a, http.StatusBadRequest, "ResourceNotFoundException")
		c.StageSecret("db", "third")
		c.CancelRotation("db")
		wantEqual(t, "cancelled", stages(), map[string]string{Current: "second AWSCURRENT", Previous: "first AWSPREVIOUS"})
		c.DeleteSecret("db")
		wantEqual(t, "deleted", stages(), map[string]string{})
	})
}

// with is the value as a version of other stages.
func (v value) with(stages []string) value {
	v.VersionStages = stages
	return v
}

func TestSecrets(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cloud) {
		identity := c.AddIdentity("app", Policy{})
		const frankfurt = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:far-AbCdEf"
		time.Sleep(1500 * time.Millisecond)
		c.PutSecret("prod/db", `{"password":"<&>"}`)
		c.PutBinarySecret("binary", []byte{0, 255})
		c.PutSecret(frankfurt, "far")
		arn := c.SecretARN("prod/db")
		v, _ := get(t, c, identity, "us-east-1", `{"SecretId":"`+arn+`"}`)
		want := value{
			ARN: arn, Name: "prod/db", VersionID: v.VersionID, SecretString: `{"password":"<&>"}`, VersionStages: []string{Current},
			CreatedDate: float64(time.Now().UnixMilli()) / 1000,
		}
		wantEqual(t, "by ARN", v, want)
		v, _ = get(t, c, identity, "us-east-1", `{"SecretId":"`+arn[:len(arn)-suffixSize]+`"}`)
		wantEqual(t, "by a part of the ARN", v, want)
		v, _ = get(t, c, identity, "us-east-1", `{"SecretId":"binary"}`)
		wantEqual(t, "binary", v.SecretBinary, []byte{0, 255})
		v, _ = get(t, c, identity, "eu-central-1", `{"SecretId":"far"}`)
		wantEqual(t, "in another region", []string{v.SecretString, v.ARN}, []string{"far", frankfurt})
		wantEqual(t, "unknown", c.SecretARN("far"), "")
		for body, region := range map[string]string{
			`{"SecretId":"far"}`: "us-east-1", `{"SecretId":"` + frankfurt + `"}`: "us-east-1", `{"SecretId":"prod/db"}`: "eu-central-1",
			`{"SecretId":"prod"}`: "us-east-1",
		} {
			_, a := get(t, c, identity, region, body)
			wantProblem(t, a, http.StatusBadRequest, "ResourceNotFoundException")
		}
		_, a := get(t, c, identity, "us-east-1", `{`)
		wantProblem(t, a, http.StatusBadRequest, "SerializationException")
		_, a = get(t, c, identity, "us-east-1", `{}`)
		wantProblem(t, a, http.StatusBadRequest, "ValidationException")
	})
}

func TestSecretPolicies(t *testing.T) {
	bubble(t, Options{Region: "cn-north-1"}, func(t *testing.T, c *Cloud) {
		c.PutSecret("mine", "1")
		c.PutSecret("yours", "2")
		c.StageSecret("mine", "3")
		if arn := c.SecretARN("mine"); !strings.HasPrefix(arn, "arn:aws-cn:secretsmanager:cn-north-1:") {
			t.Error(arn)
		}
		for name, p := range map[string]Policy{
			"by name": {Secrets: []string{"mine"}, Stages: []string{Current}}, "by ARN": {Secrets: []string{c.SecretARN("mine")}, Stages: []string{Current}},
		} {
			identity := c.AddIdentity(name, p)
			for _, id := range []string{"mine", c.SecretARN("mine")} {
				_, a := get(t, c, identity, "cn-north-1", `{"SecretId":"`+id+`"}`)
				wantEqual(t, "allowed "+name, a.status, http.StatusOK)
			}
			for _, body := range []string{`{"SecretId":"yours"}`, `{"SecretId":"none"}`, `{"SecretId":"mine","VersionStage":"AWSPENDING"}`} {
				_, a := get(t, c, identity, "cn-north-1", body)
				wantProblem(t, a, http.StatusBadRequest, "AccessDeniedException")
			}
		}
	})
}
