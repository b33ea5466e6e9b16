package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os/exec"
)

// program is a running database server of testdata.
type program struct {
	addr   string // host:port
	input  io.WriteCloser
	output io.Reader
	run    *exec.Cmd
	stderr bytes.Buffer
}

// startProgram starts a program that prints where its server listens once it
// does, and that stops it when its input ends.
func startProgram(run *exec.Cmd) (*program, error) {
	p := &program{run: run}
	run.Stderr = &p.stderr
	input, err := run.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := run.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := run.Start(); err != nil {
		return nil, err
	}
	p.input, p.output = input, output
	lines := bufio.NewScanner(output)
	if lines.Scan() {
		p.addr = lines.Text()
		return p, nil
	}
	return nil, errors.Join(fmt.Errorf("%s did not start", run.Path), lines.Err(), p.Close())
}

// Close stops the server.
func (p *program) Close() error {
	err := p.input.Close()
	_, readErr := io.Copy(io.Discard, p.output)
	if err = errors.Join(err, readErr, p.run.Wait()); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.run.Path, err, p.stderr.String())
	}
	return nil
}
