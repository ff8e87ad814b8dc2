package stack

import (
	"errors"
	"fmt"
	"net"
)

// An AddressError is an address of a [Config] at which nothing can be served.
type AddressError struct {
	Setting string // of the Config: API, AWS or XRay
	Address string
	Err     error // why
}

func (e *AddressError) Error() string {
	return fmt.Sprintf("stack: %s %q: %v", e.Setting, e.Address, e.Err)
}

func (e *AddressError) Unwrap() error { return e.Err }

// Taken tells that the address is a good one, and that something listens there already.
func (e *AddressError) Taken() bool { return e.Err == errTaken }

var errTaken = errors.New("something else listens there: end it, or choose another address")

// checkAddresses refuses what cannot be listened on, whoever else listens.
func checkAddresses(c Config) error {
	settings := map[string]string{} // by the address, as listeners have it
	for _, s := range []struct{ name, address string }{{"API", c.API}, {"AWS", c.AWS}, {"XRay", c.XRay}} {
		if s.address == "" {
			continue
		}
		host, port, err := net.SplitHostPort(s.address)
		number := 0
		if err == nil {
			number, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return &AddressError{s.name, s.address, errors.New("a loopback address and a port are due, such as 127.0.0.1:3001")}
		}
		ip := net.ParseIP(host)
		if host == "localhost" {
			ip = net.IPv4(127, 0, 0, 1)
		}
		if ip == nil || !ip.IsLoopback() {
			return &AddressError{s.name, s.address, errors.New("only loopback addresses are served: nothing here asks for credentials")}
		}
		if number == 0 {
			continue // one that is free
		}
		at := fmt.Sprint(ip, " ", number)
		if other, twice := settings[at]; twice {
			return &AddressError{s.name, s.address, fmt.Errorf("it is that of %s, too: each needs one of its own", other)}
		}
		settings[at] = s.name
	}
	return nil
}
