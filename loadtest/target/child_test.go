package target_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/arvo/loadtest/experiment"
	"example.com/arvo/loadtest/target"
)

func TestAChildThatDoesNotStartSaysWhy(t *testing.T) {
	for _, test := range []struct {
		name string
		c    target.LocalConfig
		want string
	}{
		{"a parameter that the template does not have", target.LocalConfig{Parameters: map[string]string{"Nonsense": "1"}}, "Nonsense"},
		{"a template that is not there", target.LocalConfig{Template: "nowhere.yaml"}, filepath.Join("target", "nowhere.yaml")},
		{"a latency that is none", target.LocalConfig{Latency: "slow"}, "-latency slow"},
		{"not ready in time", target.LocalConfig{Ready: time.Nanosecond}, "it is not ready after 1ns"},
	} {
		t.Run(test.name, func(t *testing.T) {
			child, err := target.Local(t.Context(), test.c)
			if err == nil {
				t.Error("it has started", child.Stop(t.Context()))
			}
			if err == nil || !strings.Contains(err.Error(), "the local stack did not start") || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := target.Local(ctx, target.LocalConfig{}); err == nil {
			t.Error("it has started")
		}
	})
}

func TestStop(t *testing.T) {
	start := func() *target.Child {
		child, err := target.Local(t.Context(), target.LocalConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return child
	}
	t.Run("ends a child, and again nothing", func(t *testing.T) {
		child := start()
		for range 2 {
			if err := child.Stop(t.Context()); err != nil || child.Err() != nil {
				t.Errorf("%v, %v", err, child.Err())
			}
		}
	})
	t.Run("kills one that does not listen", func(t *testing.T) {
		child := start()
		process, err := os.FindProcess(child.PID())
		if err != nil {
			t.Fatal(err)
		}
		if err := process.Signal(syscall.Signal(0x13)); err != nil || runtime.GOOS != "linux" { // SIGSTOP there
			t.Skip(err, child.Stop(t.Context()))
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // without patience
		if err := child.Stop(ctx); err == nil || !strings.Contains(err.Error(), "it was killed") {
			t.Error(err)
		}
	})
}

// TestMain's process becomes this when a test wants a load test that it can kill.
func runVictim() {
	child, err := target.Local(context.Background(), target.LocalConfig{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("pid", child.PID())
	<-child.Done()
}

const victim = "ARVO_LOADTEST_VICTIM"

func TestAChildDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends a child with its parent")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), victim+"=1")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(output).ReadString('\n')
	if err == nil {
		_, err = fmt.Sscanf(line, "pid %d", new(int))
	}
	killed := parent.Process.Kill()
	_ = parent.Wait() // "signal: killed"
	if err != nil || killed != nil {
		t.Fatalf("%q: %v, %v", line, err, killed)
	}
	pid, err := strconv.Atoi(strings.Fields(line)[1])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if process, err := os.FindProcess(pid); err == nil && t.Failed() {
			_ = process.Kill() // it fails if it has ended after all
		}
	})
	gone(t, pid)
}

// killed kills a child with its Lambdas running and something changed. It is the last that TestLocal does.
func killed(t *testing.T, child *target.Child, s *target.Stack) {
	if err := s.Apply(t.Context(), experiment.Settings{Batch: new(9)}); err != nil {
		t.Fatal(err)
	}
	lambdas := childrenOf(t, child.PID())
	if runtime.GOOS == "linux" && len(lambdas) == 0 {
		t.Error("no Lambda runs")
	}
	process, err := os.FindProcess(child.PID())
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-child.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("it is not noticed")
	}
	if err := child.Err(); err == nil || !strings.Contains(err.Error(), "the local stack has ended: signal: killed") || !strings.Contains(err.Error(), "AWS services") {
		t.Errorf("it says %v", err)
	}
	if err := s.Restore(t.Context()); err != nil {
		t.Errorf("there is nothing left to restore: %v", err)
	}
	if _, err := s.Setup(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "nobody answers there any more: connection refused") {
		t.Error(err)
	}
	if err := child.Stop(t.Context()); err == nil {
		t.Error("it is stopped as if it had not been killed")
	}
	for _, pid := range lambdas {
		gone(t, pid)
	}
}

// childrenOf lists the processes that a process has started, on Linux.
func childrenOf(t *testing.T, parent int) (pids []int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var state string
		var ppid, pid int
		if _, err := fmt.Sscan(string(stat[bytes.LastIndexByte(stat, ')')+1:]), &state, &ppid); err == nil && ppid == parent {
			if _, err := fmt.Sscan(string(stat), &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// gone waits until a process has ended.
func gone(t *testing.T, pid int) {
	t.Helper()
	process, err := os.FindProcess(pid)
	if err != nil {
		return
	}
	eventually(t, func() (bool, error) {
		if process.Signal(syscall.Signal(0)) != nil {
			return true, nil
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || bytes.Contains(stat, []byte(") Z ")), nil // a zombie is one that nobody has asked for yet
	})
}
