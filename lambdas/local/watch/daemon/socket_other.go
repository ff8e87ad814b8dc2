//go:build !linux

package daemon

import "net"

func enlarge(conn *net.UDPConn, size int) int {
	if conn.SetReadBuffer(size) != nil {
		return 0
	}
	return size
}

func kernelDrops(*net.UDPConn) (uint64, bool) { return 0, false }
