package mysqlserver

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"net"
)

// Capability flags of server and client.
const (
	clientMySQL            = 1 << 0 // not set by MariaDB
	clientFoundRows        = 1 << 1
	clientLongFlag         = 1 << 2
	clientConnectWithDB    = 1 << 3
	clientCompress         = 1 << 5
	clientLocalFiles       = 1 << 7
	clientIgnoreSpace      = 1 << 8
	clientProtocol41       = 1 << 9
	clientInteractive      = 1 << 10
	clientSSL              = 1 << 11
	clientTransactions     = 1 << 13
	clientSecureConnection = 1 << 15
	clientMultiStatements  = 1 << 16
	clientMultiResults     = 1 << 17
	clientPSMultiResults   = 1 << 18
	clientPluginAuth       = 1 << 19
	clientConnectAttrs     = 1 << 20
	clientAuthLenenc       = 1 << 21 // CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA
	clientExpiredPasswords = 1 << 22 // CLIENT_CAN_HANDLE_EXPIRED_PASSWORDS
	clientDeprecateEOF     = 1 << 24
)

// Character sets, by the number of their default collation.
const (
	binaryCharset  = 63
	utf8mb4        = 255 // utf8mb4_0900_ai_ci
	utf8mb4MariaDB = 45  // utf8mb4_general_ci
)

// Status flags of a session.
const (
	statusInTransaction = 1 << 0
	statusAutocommit    = 1 << 1
	statusMoreResults   = 1 << 3
	statusReadOnly      = 1 << 13 // in a READ ONLY transaction
)

const saltSize = 20

// salt is the random text that passwords are hashed with. It has no zero byte, which would end it.
func newSalt() []byte {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	for i, b := range salt {
		salt[i] = b%94 + 33 // printable
	}
	return salt
}

func (s *Server) capabilities() uint32 {
	flags := uint32(clientFoundRows | clientLongFlag | clientConnectWithDB | clientCompress | clientLocalFiles |
		clientIgnoreSpace | clientProtocol41 | clientInteractive | clientTransactions | clientSecureConnection |
		clientMultiStatements | clientMultiResults | clientPSMultiResults | clientPluginAuth | clientConnectAttrs |
		clientAuthLenenc | clientExpiredPasswords | clientDeprecateEOF)
	if !s.mariadb() {
		flags |= clientMySQL
	}
	if s.config.TLS != nil {
		flags |= clientSSL
	}
	return flags
}

// greeting is the first packet of a connection.
func (s *Server) greeting(number uint64, salt []byte) []byte {
	flags := s.capabilities()
	version, charset := s.version(), byte(utf8mb4)
	if s.mariadb() {
		version, charset = "5.5.5-"+version, utf8mb4MariaDB // as it does, for replicas of old
	}
	b := append([]byte{10}, version...)
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(number))
	b = append(b, salt[:8]...)
	b = append(b, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(flags))
	b = append(b, charset)
	b = binary.LittleEndian.AppendUint16(b, statusAutocommit)
	b = binary.LittleEndian.AppendUint16(b, uint16(flags>>16))
	b = append(b, saltSize+1)
	b = append(b, make([]byte, 10)...) // reserved; of MariaDB its own capabilities: none
	b = append(b, salt[8:]...)
	b = append(b, 0)
	return append(append(b, s.config.greetingPlugin()...), 0)
}

// response is the client's answer to the greeting.
type response struct {
	capabilities uint32
	user         string
	auth         []byte
	database     string
	plugin       string
}

// responseHeader is the size of the part that alone is a request for TLS.
const responseHeader = 32

// parseResponse takes the answer apart; false: it is malformed.
func parseResponse(packet []byte) (response, bool) {
	r := reader{data: packet}
	a := response{capabilities: uint32(r.fixed(4))}
	r.bytes(responseHeader - 4) // largest packet, character set, reserved
	if r.broken || a.capabilities&clientProtocol41 == 0 {
		return a, false
	}
	if len(r.data) == 0 { // wants TLS
		return a, a.capabilities&clientSSL != 0
	}
	a.user = r.terminated()
	switch {
	case a.capabilities&clientAuthLenenc != 0:
		a.auth = r.counted()
	case a.capabilities&clientSecureConnection != 0:
		a.auth = r.bytes(int(r.fixed(1)))
	default:
		a.auth = []byte(r.terminated())
	}
	if a.capabilities&clientConnectWithDB != 0 {
		a.database = r.terminated()
	}
	if a.capabilities&clientPluginAuth != 0 {
		a.plugin = r.terminated()
	}
	return a, !r.broken // what else there may be are attributes of the connection
}

// startup greets the client and reads its answer, under TLS if it wants that. It gives the connection to go on with; a
// nil connection is one that has failed.
func (s *Server) startup(conn net.Conn, number uint64, salt []byte) (net.Conn, response, uint8) {
	p := &packets{in: conn, out: conn}
	failed := func() (net.Conn, response, uint8) { return nil, response{}, 0 }
	if p.write(s.greeting(number, salt)) != nil || p.flush() != nil {
		return failed()
	}
	for {
		packet, err := p.read()
		if err != nil {
			return failed()
		}
		answer, ok := parseResponse(packet)
		if !ok {
			_ = p.write(errorf(1043, "08S01", "Bad handshake").packet(true))
			_ = p.flush() // the connection is closed next
			return failed()
		}
		if len(packet) > responseHeader {
			answer.capabilities &= s.capabilities() | clientMySQL
			return conn, answer, p.sequence
		}
		if _, encrypted := conn.(*tls.Conn); encrypted || s.config.TLS == nil {
			return failed()
		}
		secure := tls.Server(conn, s.config.TLS)
		if err := secure.Handshake(); err != nil {
			return failed()
		}
		conn = secure
		p.in, p.out = secure, secure
	}
}
