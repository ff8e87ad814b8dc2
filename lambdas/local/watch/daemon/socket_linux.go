package daemon

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"syscall"
)

const soRcvBufForce = 33 // SO_RCVBUFFORCE, which package syscall does not name

// enlarge asks for a read buffer and returns how many bytes of datagrams the kernel grants. Only a privileged process may go beyond
// net.core.rmem_max.
func enlarge(conn *net.UDPConn, size int) int {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	granted := 0
	err = raw.Control(func(fd uintptr) {
		if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soRcvBufForce, size) != nil {
			if syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, size) != nil {
				return
			}
		}
		if n, err := syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF); err == nil {
			granted = n / 2 // the kernel doubles what it is asked for, to allow for its own structures; see socket(7)
		}
	})
	if err != nil {
		return 0
	}
	return granted
}

// kernelDrops reads what the kernel dropped at this socket: the last column of the socket's line in /proc/net/udp.
func kernelDrops(conn *net.UDPConn) (uint64, bool) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, false
	}
	var stat syscall.Stat_t
	var statErr error
	if err := raw.Control(func(fd uintptr) { statErr = syscall.Fstat(int(fd), &stat) }); err != nil || statErr != nil {
		return 0, false
	}
	inode := strconv.AppendUint(nil, stat.Ino, 10)
	for _, table := range []string{"/proc/net/udp", "/proc/net/udp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		if drops, ok := dropsOf(text, inode); ok {
			return drops, true
		}
	}
	return 0, false
}

// dropsOf finds the line of a socket by its inode.
func dropsOf(table, inode []byte) (uint64, bool) {
	for line := range bytes.Lines(table) {
		fields := bytes.Fields(line)
		if len(fields) >= 13 && bytes.Equal(fields[9], inode) {
			drops, err := strconv.ParseUint(string(fields[12]), 10, 64)
			return drops, err == nil
		}
	}
	return 0, false
}
