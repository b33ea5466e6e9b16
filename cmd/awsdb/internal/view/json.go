package view

import (
	"encoding/json"
	"io"

	"github.com/awsdb/awsdb/cmd/awsdb/internal/demo"
)

// JSON writes the report as one document.
func JSON(r demo.Report, out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(r)
}
