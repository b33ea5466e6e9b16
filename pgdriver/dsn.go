package pgdriver

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/awsdb/awsdb/core"
)

// pythonScheme is how SQLAlchemy names the Python wrapper's dialect in a URL.
const pythonScheme = "postgresql+aws_wrapper_psycopg://"

// ParseDSN makes a configuration for NewConnector of everything that sql.Open takes
// with "awspg". pgx's own parser reads it; what pgx does not know is left in
// RuntimeParams, awsdb's keys among it. The error matches core.ErrConfig, and does
// not repeat the connection string.
func ParseDSN(dsn string) (*pgx.ConnConfig, error) {
	if len(dsn) > len(pythonScheme) && strings.EqualFold(dsn[:len(pythonScheme)], pythonScheme) {
		dsn = "postgresql://" + dsn[len(pythonScheme):]
	}
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil && foreignScheme(dsn) {
		return nil, errForeignURL
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", core.ErrConfig, withoutString(err))
	}
	return cfg, nil
}

// withoutString takes the connection string out of an error of pgx's parser. pgx masks
// what it recognises as a password in it, and does not recognise all that its parser
// takes for one ("password = secret"), nor what becomes of a URL in which a / or @ of the
// password is not percent-encoded.
func withoutString(err error) error {
	var mistake *pgconn.ParseConfigError
	if !errors.As(err, &mistake) {
		return err
	}
	if quotesPassword(mistake) {
		return errUnquoted
	}
	masked := *mistake
	masked.ConnString = "the connection string"
	return &masked
}

var errUnquoted = errors.New(`cannot parse the connection string: a key has no "=": write a password with spaces or quotes as 'pass word', and \' for a quote in it`)

// quotesPassword tells whether the cause quotes a word that may be of the password: one with an
// unquoted space in it is a value and a key to the parser, which names the key. To be safe, all
// that comes after the key of a password may be of it.
func quotesPassword(mistake *pgconn.ParseConfigError) bool {
	cause, text := errors.Unwrap(mistake), strings.ToLower(mistake.ConnString)
	at := strings.Index(text, "password")
	if cause == nil || at < 0 {
		return false
	}
	for _, word := range quotedWords(cause.Error()) {
		if word != "=" && strings.Contains(text[at:], strings.ToLower(word)) {
			return true
		}
	}
	return false
}

// quotedWords returns what is quoted in a text as %q does it, where a quote or a backslash of the word has one before it.
func quotedWords(text string) (words []string) {
	for {
		_, rest, found := strings.Cut(text, `"`)
		if !found {
			return words
		}
		text = rest
		if quoted, err := strconv.QuotedPrefix(`"` + rest); err == nil {
			word, _ := strconv.Unquote(quoted) // which QuotedPrefix has checked
			words, text = append(words, word), rest[len(quoted)-1:]
		}
	}
}
