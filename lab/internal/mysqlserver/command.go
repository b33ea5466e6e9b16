package mysqlserver

import (
	"encoding/binary"
	"fmt"
)

// Commands of a client, the first byte of a packet.
const (
	comQuit            = 0x01
	comInitDB          = 0x02
	comQuery           = 0x03
	comStatistics      = 0x09
	comProcessKill     = 0x0c
	comPing            = 0x0e
	comPrepare         = 0x16
	comExecute         = 0x17
	comSendLongData    = 0x18
	comClose           = 0x19
	comReset           = 0x1a
	comSetOption       = 0x1b
	comResetConnection = 0x1f
)

// command answers one command. Errors end the session; those of statements are sent to the client.
func (s *session) command(packet []byte) error {
	if len(packet) == 0 {
		return s.report(unknownCommand())
	}
	body := packet[1:]
	switch packet[0] {
	case comQuit:
		return errOver
	case comQuery:
		return s.query(string(body))
	case comPrepare:
		return s.prepare(string(body))
	case comExecute:
		return s.executePrepared(body)
	case comSendLongData:
		s.longData(body)
		return nil
	case comClose:
		r := reader{data: body}
		delete(s.statements, uint32(r.fixed(4)))
		return nil
	}
	if err := s.administer(packet[0], body); err != nil {
		return s.report(err)
	}
	return s.packets.flush()
}

func unknownCommand() *Error { return errorf(1047, "08S01", "Unknown command") }

// administer answers a command that is no statement.
func (s *session) administer(command byte, body []byte) error {
	r := reader{data: body}
	switch command {
	case comPing:
	case comInitDB:
		if err := s.use(string(body)); err != nil {
			return err
		}
	case comReset:
		p, err := s.statement(uint32(r.fixed(4)), "mysqld_stmt_reset")
		if err != nil {
			return err
		}
		p.long = nil
	case comResetConnection:
		s.reset()
	case comProcessKill:
		if err := s.kill(r.fixed(4), false); err != nil {
			return err
		}
	case comSetOption:
		switch r.fixed(2) {
		case 0:
			s.capabilities |= clientMultiStatements
		case 1:
			s.capabilities &^= clientMultiStatements
		default:
			return unknownCommand()
		}
		return s.sendEnd(0)
	case comStatistics:
		return s.packets.write(fmt.Appendf(nil, "Threads: %d", s.server.Sessions()))
	default:
		return unknownCommand()
	}
	return s.sendOK(&result{}, false)
}

// use selects a database.
func (s *session) use(database string) error {
	if err := s.checkDatabase(database); err != nil {
		return err
	}
	s.database = database
	return nil
}

// reset puts the session into the state it had after its login.
func (s *session) reset() {
	s.rollback()
	s.statements = map[uint32]*prepared{}
	s.state = newState(s)
}

// kill ends another session, or only its running statement.
func (s *session) kill(number uint64, statementOnly bool) error {
	target := s.server.find(number)
	switch {
	case target == nil:
		return errorf(1094, "HY000", "Unknown thread id: %d", number)
	case statementOnly:
		target.cancelStatement()
	case s.server.mariadb():
		target.end(&Error{Number: 1927, State: "70100", Message: "Connection was killed", Fatal: true})
	default:
		target.end(shutdown())
	}
	return nil
}

// status are the flags that go with every answer.
func (s *session) status(more bool) uint16 {
	flags := s.transactionStatus()
	if more {
		flags |= statusMoreResults
	}
	return flags
}

// sendOK answers a statement without rows.
func (s *session) sendOK(r *result, more bool) error {
	b := appendInteger([]byte{0}, r.affected)
	b = appendInteger(b, r.insertID)
	b = binary.LittleEndian.AppendUint16(b, s.status(more))
	b = append(b, 0, 0) // warnings
	if r.info != "" {
		b = appendString(b, r.info)
	}
	return s.packets.write(b)
}

// sendEnd marks the end of rows or of descriptions.
func (s *session) sendEnd(status uint16) error {
	return s.packets.write([]byte{0xfe, 0, 0, byte(status), byte(status >> 8)})
}
