package function

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// maxLine is the largest log event of CloudWatch Logs; longer lines become several.
const maxLine = 256 << 10

// lineOverhead is what an event costs beside its message, as CloudWatch Logs counts it.
const lineOverhead = 26

// A Line is one log event: a line that a function wrote to stdout or stderr, or one of the platform's own.
type Line struct {
	Time      time.Time
	Stream    string // of the environment: 2026/11/23/[$LATEST]0123…
	RequestID string // of the invocation under way; empty outside one
	Message   string // without the newline, at most 256 KiB
	Platform  bool   // one of Lambda's own: START, REPORT, platform.report, ...
}

// logs are the log groups. The zero value is not ready; see New.
type logs struct {
	limit  int // bytes a group
	hook   func(string, Line)
	mu     sync.RWMutex
	groups map[string]*group
}

// group keeps the newest lines of one log group, up to a number of bytes.
type group struct {
	name  string
	mu    sync.Mutex
	lines []Line // lines[first:] are kept
	first int
	bytes int
}

func (l *logs) create(name string) *group {
	l.mu.Lock()
	defer l.mu.Unlock()
	g, ok := l.groups[name]
	if !ok {
		g = &group{name: name}
		l.groups[name] = g
	}
	return g
}

func (l *logs) group(name string) *group {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.groups[name]
}

// append adds a line and forgets the oldest ones that no longer fit.
func (l *logs) append(g *group, line Line) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lines = append(g.lines, line)
	g.bytes += len(line.Message) + lineOverhead
	for g.bytes > l.limit && g.first < len(g.lines)-1 {
		g.bytes -= len(g.lines[g.first].Message) + lineOverhead
		g.lines[g.first] = Line{} // so that its memory goes
		g.first++
	}
	if g.first > len(g.lines)/2 && g.first > 64 {
		g.lines = slices.Delete(g.lines, 0, g.first)
		g.first = 0
	}
	if l.hook != nil {
		l.hook(g.name, line)
	}
}

// Logs calls yield with the lines of a log group that are not older than since, oldest first, until yield returns
// false. An unknown group has none. Lines that come while it runs are not among them.
func (s *Service) Logs(name string, since time.Time, yield func(Line) bool) {
	g := s.logs.group(name)
	if g == nil {
		return
	}
	g.mu.Lock()
	kept := slices.Clone(g.lines[g.first:])
	g.mu.Unlock()
	for _, line := range kept {
		if !line.Time.Before(since) && !yield(line) {
			return
		}
	}
}

// LogGroups lists the log groups in the order of their names.
func (s *Service) LogGroups() []string {
	s.logs.mu.RLock()
	defer s.logs.mu.RUnlock()
	return slices.Sorted(maps.Keys(s.logs.groups))
}
