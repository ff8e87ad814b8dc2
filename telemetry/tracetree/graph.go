package tracetree

import (
	"cmp"
	"math"
	"slices"
	"time"

	"example.com/arvo/telemetry/segment"
)

// Stats are the outcomes of requests that have ended. One request may count as Error and as Fault, if errors compound.
type Stats struct {
	Start, End segment.Time // of the first and of the last request; also of such as have not ended

	Total    int
	OK       int // neither error nor fault
	Error    int // 4xx, throttles included
	Throttle int // 429
	Fault    int // 5xx

	Time      time.Duration // all response times together
	Histogram []Bucket      // response times, ascending
}

// A Bucket of a histogram counts the durations that are Value when rounded to two significant digits of microseconds.
type Bucket struct {
	Value time.Duration
	Count int
}

// NodeStats are the requests that a node served, as its segments tell.
type NodeStats struct {
	Node
	Stats
	Root bool // the node served a request of a client
}

// An Edge leads from a caller to whom it called.
type Edge struct{ From, To Node }

// EdgeStats are the requests on an edge, as the caller's subsegments tell.
type EdgeStats struct {
	Edge
	Stats
}

// A Graph is the service graph of any number of trees. The zero value is empty and ready to use.
type Graph struct {
	nodes map[Node]*NodeStats
	edges map[Edge]*EdgeStats
}

// Graph is the service graph of the tree alone.
func (t *Tree) Graph() *Graph {
	g := &Graph{}
	g.Add(t)
	return g
}

// Add adds the requests of a tree. The edge to a segment comes from the segment that its parent is or belongs to. The
// edge's statistics are those of the subsegment that is the parent; where the parent is a segment itself, and for roots,
// whose edge comes from [Client], nobody but the segment tells. A segment whose parent is unknown has no edge.
func (g *Graph) Add(t *Tree) {
	if g.nodes == nil {
		g.nodes, g.edges = make(map[Node]*NodeStats), make(map[Edge]*EdgeStats)
	}
	for s := range t.Segments() {
		to := s.Node()
		node := g.node(to)
		node.add(&s.Document)
		switch {
		case s.Parent != nil:
			caller := s.Parent.segment
			if caller == nil {
				continue
			}
			call := s.Parent
			if !call.Subsegment {
				call = s
			}
			g.edge(Edge{caller.Node(), to}).add(&call.Document)
		case !s.Dangling && !s.Cyclic:
			node.Root = true
			g.node(Client).add(&s.Document)
			g.edge(Edge{Client, to}).add(&s.Document)
		}
	}
}

func (g *Graph) node(n Node) *NodeStats {
	stats := g.nodes[n]
	if stats == nil {
		stats = &NodeStats{Node: n}
		g.nodes[n] = stats
	}
	return stats
}

func (g *Graph) edge(e Edge) *EdgeStats {
	stats := g.edges[e]
	if stats == nil {
		stats = &EdgeStats{Edge: e}
		g.edges[e] = stats
	}
	return stats
}

// Nodes are the nodes in the order of type and name, the client first.
func (g *Graph) Nodes() []NodeStats {
	list := make([]NodeStats, 0, len(g.nodes))
	for _, n := range g.nodes {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b NodeStats) int { return compareNodes(a.Node, b.Node) })
	return list
}

// Edges are the edges in the order of the nodes that they come from, then of those that they lead to.
func (g *Graph) Edges() []EdgeStats {
	list := make([]EdgeStats, 0, len(g.edges))
	for _, e := range g.edges {
		list = append(list, *e)
	}
	slices.SortFunc(list, func(a, b EdgeStats) int {
		return cmp.Or(compareNodes(a.From, b.From), compareNodes(a.To, b.To))
	})
	return list
}

func compareNodes(a, b Node) int {
	switch {
	case a == b:
		return 0
	case a == Client:
		return -1
	case b == Client:
		return 1
	}
	return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
}

func (s *Stats) add(d *segment.Document) {
	if s.Start == 0 || d.Start < s.Start {
		s.Start = d.Start
	}
	s.End = max(s.End, d.Start, d.End)
	if d.End == 0 {
		return
	}
	s.Total++
	if d.Error || d.Throttle {
		s.Error++
	}
	if d.Throttle {
		s.Throttle++
	}
	if d.Fault {
		s.Fault++
	}
	if !d.Error && !d.Throttle && !d.Fault {
		s.OK++
	}
	took := max(d.End.Sub(d.Start), 0)
	s.Time += took
	value := round(took)
	i, found := slices.BinarySearchFunc(s.Histogram, value, func(b Bucket, v time.Duration) int { return cmp.Compare(b.Value, v) })
	if !found {
		s.Histogram = slices.Insert(s.Histogram, i, Bucket{Value: value})
	}
	s.Histogram[i].Count++
}

// round keeps two significant digits of the microseconds.
func round(d time.Duration) time.Duration {
	us := int64(d / time.Microsecond)
	if us < 100 {
		return d.Truncate(time.Microsecond)
	}
	unit := int64(math.Pow10(int(math.Log10(float64(us))) - 1))
	return time.Duration((us+unit/2)/unit*unit) * time.Microsecond
}
