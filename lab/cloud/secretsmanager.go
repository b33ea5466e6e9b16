package cloud

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// The stages of a secret's versions.
const (
	Current  = "AWSCURRENT"
	Pending  = "AWSPENDING" // in a rotation: what is about to become the current version
	Previous = "AWSPREVIOUS"
)

// secret is what Secrets Manager keeps.
type secret struct {
	name, arn, region string
	versions          map[string]*version // by identifier
	stages            map[string]string   // stage to the identifier of its version
}

type version struct {
	id      string
	text    string
	binary  []byte // instead of text
	created time.Time
}

// PutSecret gives a secret a value, which is the current version from now on; the one before is the previous one. id is a
// name, and the secret is in Options.Region, or the secret's ARN, which says another one.
func (c *Cloud) PutSecret(id, value string) { c.put(id, Current, version{text: value}) }

// PutBinarySecret is PutSecret with a value that is not a text.
func (c *Cloud) PutBinarySecret(id string, value []byte) {
	c.put(id, Current, version{binary: value})
}

// StageSecret begins a rotation: the value is the pending version, and the current one stays what it is.
func (c *Cloud) StageSecret(id, value string) { c.put(id, Pending, version{text: value}) }

// FinishRotation makes the pending version the current one. As after a rotation on AWS, it is called pending, too, until
// the next one. Without a pending version nothing changes.
func (c *Cloud) FinishRotation(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(id); s != nil && s.stages[Pending] != "" {
		s.stage(Current, s.stages[Pending])
	}
}

// CancelRotation removes the stage of the pending version.
func (c *Cloud) CancelRotation(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(id); s != nil {
		delete(s.stages, Pending)
	}
}

// DeleteSecret removes a secret with all its versions.
func (c *Cloud) DeleteSecret(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(id); s != nil {
		delete(c.secrets, s.arn)
	}
}

// SecretARN is the ARN of a secret; "" when there is no such secret.
func (c *Cloud) SecretARN(id string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.find(id); s != nil {
		return s.arn
	}
	return ""
}

// put adds a version.
func (c *Cloud) put(id, stage string, v version) {
	v.id, v.created = versionID(), time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.find(id)
	if s == nil {
		s = c.newSecret(id)
		c.secrets[s.arn] = s
	}
	s.versions[v.id] = &v
	s.stage(stage, v.id)
}

func versionID() string {
	id := hex.EncodeToString(random(16))
	return fmt.Sprintf("%s-%s-%s-%s-%s", id[:8], id[8:12], id[12:16], id[16:20], id[20:])
}

// stage moves a stage to a version; what was current is the previous version then.
func (s *secret) stage(stage, id string) {
	if before := s.stages[Current]; stage == Current && before != "" && before != id {
		s.stages[Previous] = before
	}
	s.stages[stage] = id
}

// suffixSize is the length of what AWS adds to a secret's name in its ARN, with the hyphen.
const suffixSize = 7

// newSecret makes a secret from its name, or its ARN.
func (c *Cloud) newSecret(id string) *secret {
	s := &secret{versions: map[string]*version{}, stages: map[string]string{}}
	if parts := strings.SplitN(id, ":", 7); len(parts) == 7 && parts[0] == "arn" {
		s.arn, s.region, s.name = id, parts[3], parts[6][:max(len(parts[6])-suffixSize, 0)]
		return s
	}
	sum := sha256.Sum256([]byte(id))
	s.name, s.region = id, c.options.Region
	s.arn = c.arn("secretsmanager", s.region, "secret:"+id+"-"+hex.EncodeToString(sum[:3]))
	return s
}

// find is the secret with a name in Options.Region, or with an ARN, whose suffix may be missing. The caller holds mu.
func (c *Cloud) find(id string) *secret { return c.findIn(id, c.options.Region) }

func (c *Cloud) findIn(id, region string) *secret {
	if s := c.secrets[id]; s != nil {
		return s
	}
	for _, s := range c.secrets {
		if s.name == id && s.region == region || s.arn[:len(s.arn)-suffixSize] == id {
			return s
		}
	}
	return nil
}

// getSecretValue serves [GetSecretValue].
func (c *Cloud) getSecretValue(w http.ResponseWriter, r *call) *problem {
	var request struct{ SecretId, VersionId, VersionStage string }
	if json.Unmarshal(r.body, &request) != nil {
		return &problem{status: http.StatusBadRequest, code: "SerializationException", message: "The request is not a JSON object."}
	}
	if request.SecretId == "" {
		return &problem{status: http.StatusBadRequest, code: "ValidationException", message: "1 validation error detected: Value at 'secretId' failed to satisfy constraint: Member must not be null"}
	}
	c.mu.Lock()
	answer, p := c.secretValue(r.signer, request.SecretId, request.VersionId, request.VersionStage)
	c.mu.Unlock()
	if p != nil {
		return p
	}
	answerJSON(w, "application/x-amz-json-1.1", http.StatusOK, answer)
	return nil
}

// secretValue is the answer to who has asked for a version of a secret. The caller holds mu.
func (c *Cloud) secretValue(s signer, id, versionID, stage string) (map[string]any, *problem) {
	found := c.findIn(id, s.region)
	if s.policy.Secrets != nil && !slices.Contains(s.policy.Secrets, id) && (found == nil || !slices.Contains(s.policy.Secrets, found.name) && !slices.Contains(s.policy.Secrets, found.arn)) {
		return nil, s.denied(GetSecretValue, id)
	}
	if stage == "" && versionID == "" {
		stage = Current
	}
	if s.policy.Stages != nil && !slices.Contains(s.policy.Stages, stage) {
		return nil, s.denied(GetSecretValue, id)
	}
	if found == nil || found.region != s.region {
		return nil, notFound("Secrets Manager can't find the specified secret.")
	}
	if versionID == "" {
		versionID = found.stages[stage]
	}
	v := found.versions[versionID]
	if v == nil || stage != "" && found.stages[stage] != versionID {
		return nil, notFound("Secrets Manager can't find the specified secret value for staging label: " + stage)
	}
	stages := []string{}
	for _, name := range []string{Current, Pending, Previous} {
		if found.stages[name] == v.id {
			stages = append(stages, name)
		}
	}
	answer := map[string]any{
		"ARN": found.arn, "Name": found.name, "VersionId": v.id, "VersionStages": stages,
		"CreatedDate": float64(v.created.UnixMilli()) / 1000, // seconds
	}
	if v.binary != nil {
		answer["SecretBinary"] = v.binary // encoding/json writes base64, as AWS does
	} else {
		answer["SecretString"] = v.text
	}
	return answer, nil
}

func notFound(message string) *problem {
	return &problem{status: http.StatusBadRequest, code: "ResourceNotFoundException", message: message}
}
