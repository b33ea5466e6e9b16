package mysqlserver

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/awsdb/awsdb/lab/internal/sqlengine"
)

// maxText bounds what functions make, as max_allowed_packet does in the real server. Bytes.
const maxText = maxPacket

// mapping makes a function from text to text.
func mapping(f func(string) string) []*sqlengine.Function {
	return pure(tText, func(a []any) any { return f(a[0].(string)) }, tText)
}

// trimming makes TRIM, LTRIM or RTRIM of what is given or of spaces.
func trimming(left, right bool) []*sqlengine.Function {
	return optional(1, pure(tText, func(a []any) any {
		s, cut := a[0].(string), " "
		if len(a) == 2 {
			cut = a[1].(string)
		}
		for cut != "" && left && strings.HasPrefix(s, cut) {
			s = s[len(cut):]
		}
		for cut != "" && right && strings.HasSuffix(s, cut) {
			s = s[:len(s)-len(cut)]
		}
		return s
	}, tText, tText))
}

// padding makes LPAD or RPAD.
func padding(left bool) []*sqlengine.Function {
	return pure(tText, func(a []any) any {
		s, n, pad := []rune(a[0].(string)), a[1].(int64), []rune(a[2].(string))
		if n < 0 || n > maxText/4 || len(pad) == 0 && int(n) > len(s) {
			return nil
		}
		if len(s) >= int(n) {
			return string(s[:n])
		}
		fill := make([]rune, int(n)-len(s))
		for i := range fill {
			fill[i] = pad[i%len(pad)]
		}
		if left {
			return string(fill) + string(s)
		}
		return string(s) + string(fill)
	}, tText, tBig, tText)
}

// substring is SUBSTRING: positions count from 1, negative ones from the end.
func substring(a []any) any {
	s, from := []rune(a[0].(string)), a[1].(int64)
	if from < 0 {
		from += int64(len(s)) + 1
	}
	if from < 1 || from > int64(len(s)) {
		return ""
	}
	rest := s[from-1:]
	if len(a) == 3 {
		rest = rest[:min(max(a[2].(int64), 0), int64(len(rest)))]
	}
	return string(rest)
}

// locate is the place of needle in s from a position on, from 1; 0: none.
func locate(needle, s string, from int64) int64 {
	runes := []rune(s)
	if from < 1 || from > int64(len(runes))+1 {
		return 0
	}
	at := strings.Index(string(runes[from-1:]), needle)
	if at < 0 {
		return 0
	}
	return from + int64(len([]rune(string(runes[from-1:])[:at])))
}

func substringIndex(a []any) any {
	s, separator, n := a[0].(string), a[1].(string), int(a[2].(int64))
	if separator == "" {
		return ""
	}
	parts := strings.Split(s, separator)
	switch {
	case n >= len(parts) || -n >= len(parts):
		return s
	case n >= 0:
		return strings.Join(parts[:n], separator)
	}
	return strings.Join(parts[len(parts)+n:], separator)
}

var textFunctions = map[string][]*sqlengine.Function{
	"concat": variadic(pure(tText, func(a []any) any {
		var b strings.Builder
		for _, v := range a {
			b.WriteString(v.(string))
		}
		return b.String()
	}, tText)),
	"concat_ws": lax(variadic(pure(tText, func(a []any) any {
		if a[0] == nil {
			return nil
		}
		var parts []string
		for _, v := range a[1:] {
			if v != nil {
				parts = append(parts, v.(string))
			}
		}
		return strings.Join(parts, a[0].(string))
	}, tText, tText))),
	"length": append(pure(tBig, func(a []any) any { return int64(len(a[0].(string))) }, tText),
		pure(tBig, func(a []any) any { return int64(len(a[0].([]byte))) }, tBytes)...),
	"char_length": append(pure(tBig, func(a []any) any { return int64(len([]rune(a[0].(string)))) }, tText),
		pure(tBig, func(a []any) any { return int64(len(a[0].([]byte))) }, tBytes)...),
	"lower": mapping(strings.ToLower), "upper": mapping(strings.ToUpper),
	"trim": trimming(true, true), "ltrim": trimming(true, false), "rtrim": trimming(false, true),
	"lpad": padding(true), "rpad": padding(false),
	"substring": optional(1, pure(tText, substring, tText, tBig, tBig)),
	"left":      pure(tText, func(a []any) any { return substring([]any{a[0], int64(1), a[1]}) }, tText, tBig),
	"right": pure(tText, func(a []any) any {
		s := []rune(a[0].(string))
		return string(s[len(s)-int(min(max(a[1].(int64), 0), int64(len(s)))):])
	}, tText, tBig),
	"substring_index": pure(tText, substringIndex, tText, tText, tBig),
	"replace": pure(tText, func(a []any) any {
		if a[1] == "" {
			return a[0]
		}
		return strings.ReplaceAll(a[0].(string), a[1].(string), a[2].(string))
	}, tText, tText, tText),
	"repeat": pure(tText, func(a []any) any {
		s, n := a[0].(string), max(a[1].(int64), 0)
		if s == "" {
			return ""
		}
		if n > int64(maxText/len(s)) {
			return nil
		}
		return strings.Repeat(s, int(n))
	}, tText, tBig),
	"reverse": mapping(func(s string) string {
		r := []rune(s)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		return string(r)
	}),
	"space": pure(tText, func(a []any) any { return strings.Repeat(" ", int(min(max(a[0].(int64), 0), maxText))) }, tBig),
	"locate": optional(1, pure(tBig, func(a []any) any {
		from := int64(1)
		if len(a) == 3 {
			from = a[2].(int64)
		}
		return locate(a[0].(string), a[1].(string), from)
	}, tText, tText, tBig)),
	"instr":  pure(tBig, func(a []any) any { return locate(a[1].(string), a[0].(string), 1) }, tText, tText),
	"strcmp": pure(tBig, func(a []any) any { return int64(strings.Compare(a[0].(string), a[1].(string))) }, tText, tText),
	"ascii": pure(tBig, func(a []any) any {
		if s := a[0].(string); s != "" {
			return int64(s[0])
		}
		return int64(0)
	}, tText),
	"char": variadic(pure(tBytes, func(a []any) any {
		var b []byte
		for _, v := range a {
			b = append(b, byte(v.(int64)))
		}
		return b
	}, tBig)),
	"hex": slices.Concat(
		mapping(func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }),
		pure(tText, func(a []any) any { return strings.ToUpper(hex.EncodeToString(a[0].([]byte))) }, tBytes),
		pure(tText, func(a []any) any { return strings.ToUpper(strconv.FormatUint(uint64(a[0].(int64)), 16)) }, tBig)),
	"unhex": pure(tBytes, func(a []any) any {
		if b, err := hex.DecodeString(a[0].(string)); err == nil {
			return b
		}
		return nil
	}, tText),
	"md5":  pure(tText, func(a []any) any { sum := md5.Sum(a[0].([]byte)); return hex.EncodeToString(sum[:]) }, tBytes),
	"sha1": pure(tText, func(a []any) any { sum := sha1.Sum(a[0].([]byte)); return hex.EncodeToString(sum[:]) }, tBytes),
	"sha2": pure(tText, func(a []any) any {
		switch a[1] {
		case int64(0), int64(256):
			sum := sha256.Sum256(a[0].([]byte))
			return hex.EncodeToString(sum[:])
		case int64(512):
			sum := sha512.Sum512(a[0].([]byte))
			return hex.EncodeToString(sum[:])
		}
		return nil
	}, tBytes, tBig),
	"json_valid":   pure(tBig, func(a []any) any { return boolean01(json.Valid([]byte(a[0].(string)))) }, tText),
	"json_extract": one(tJSON, func(_ *sqlengine.Execution, a []any) (any, error) { return jsonExtract(a[0].(string), a[1].(string)) }, tText, tText),
	"json_unquote": mapping(func(s string) string {
		var text string
		if json.Unmarshal([]byte(s), &text) == nil {
			return text
		}
		return s
	}),
}

func boolean01(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// jsonExtract follows a path like $.a[0]."b c" into a document; NULL when it leads nowhere.
func jsonExtract(document, path string) (any, error) {
	var v any
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, errorf(3141, "22032", "Invalid JSON text in argument 1 to function json_extract")
	}
	invalid := errorf(3143, "42000", "Invalid JSON path expression.")
	rest, ok := strings.CutPrefix(path, "$")
	if !ok {
		return nil, invalid
	}
	for rest != "" {
		var key string
		switch {
		case strings.HasPrefix(rest, `."`):
			if key, rest, ok = strings.Cut(rest[2:], `"`); !ok {
				return nil, invalid
			}
		case rest[0] == '.':
			n := strings.IndexAny(rest[1:], ".[")
			if n < 0 {
				n = len(rest) - 1
			}
			if key, rest = rest[1:n+1], rest[n+1:]; key == "" || key == "*" {
				return nil, invalid
			}
		case rest[0] == '[':
			var index string
			if index, rest, ok = strings.Cut(rest[1:], "]"); !ok {
				return nil, invalid
			}
			n, err := strconv.Atoi(index)
			if err != nil {
				return nil, invalid
			}
			list, _ := v.([]any)
			if n < 0 || n >= len(list) {
				return nil, nil
			}
			v = list[n]
			continue
		default:
			return nil, invalid
		}
		object, _ := v.(map[string]any)
		if v, ok = object[key]; !ok {
			return nil, nil
		}
	}
	out, err := json.Marshal(v)
	return string(out), err
}
