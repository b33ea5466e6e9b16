package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// server is a database server for one run of tests.
type server struct {
	env   []string // tells the tests where it is
	close func() error
}

// Close stops the server and removes what it stored.
func (s *server) Close() error { return s.close() }

// startProgram starts a program that prints variables for the tests, then an
// empty line once the server answers, and that stops it when its input ends.
func startProgram(b *bench, program string) (*server, error) {
	var stderr bytes.Buffer
	command := b.command(context.Background(), b.dir, program) // Close ends it
	command.Stderr = &stderr
	input, err := command.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := command.Start(); err != nil {
		return nil, err
	}
	s := &server{close: func() error {
		err := input.Close()
		_, readErr := io.Copy(io.Discard, output)
		if err = errors.Join(err, readErr, command.Wait()); err != nil {
			return fmt.Errorf("%s: %w\n%s", program, err, stderr.String())
		}
		return nil
	}}
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if lines.Text() == "" {
			return s, nil
		}
		s.env = append(s.env, lines.Text())
	}
	return nil, errors.Join(fmt.Errorf("%s did not start", program), lines.Err(), s.Close())
}
