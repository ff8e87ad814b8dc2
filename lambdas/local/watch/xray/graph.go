package xray

import (
	"context"

	"example.com/arvo/lambdas/local/watch/filter"
	"example.com/arvo/lambdas/local/watch/traces"
	"example.com/arvo/telemetry/segment"
	"example.com/arvo/telemetry/tracetree"
)

type getServiceGraphIn struct {
	StartTime, EndTime  *epoch
	GroupName, GroupARN string
	NextToken           string
}

type getServiceGraphOut struct {
	StartTime, EndTime       epoch
	Services                 []serviceJSON
	ContainsOldGroupVersions bool
}

type serviceJSON struct {
	ReferenceID           int `json:"ReferenceId"`
	Name                  string
	Names                 []string
	Root                  bool   `json:",omitempty"`
	AccountID             string `json:"AccountId,omitempty"`
	Type                  string `json:",omitempty"`
	State                 string
	StartTime, EndTime    epoch
	Edges                 []edgeJSON
	SummaryStatistics     *statistics     `json:",omitempty"`
	DurationHistogram     []histogramJSON `json:",omitempty"`
	ResponseTimeHistogram []histogramJSON `json:",omitempty"`
}

type edgeJSON struct {
	ReferenceID               int `json:"ReferenceId"`
	StartTime, EndTime        epoch
	SummaryStatistics         statistics
	ResponseTimeHistogram     []histogramJSON
	Aliases                   []empty
	ReceivedEventAgeHistogram []histogramJSON
}

type statistics struct {
	OkCount           int
	ErrorStatistics   struct{ ThrottleCount, OtherCount, TotalCount int }
	FaultStatistics   struct{ OtherCount, TotalCount int }
	TotalCount        int
	TotalResponseTime float64
}

type histogramJSON struct {
	Value float64
	Count int
}

func (a *API) getServiceGraph(ctx context.Context, in *getServiceGraphIn) (*getServiceGraphOut, error) {
	from, to, err := window(in.StartTime, in.EndTime)
	if err == nil {
		err = (&page{in.NextToken}).single()
	}
	if err != nil {
		return nil, err
	}
	var expression filter.Expression
	// Default is the group of all traces.
	if name := (&groupName{in.GroupName, in.GroupARN}).String(); name != "" && name != "Default" {
		var ok bool
		if expression, ok = a.find(name); !ok {
			return nil, invalid("there is no group %.100q", name)
		}
	}
	var graph tracetree.Graph
	for _, ref := range a.candidates(expression, func(r traces.Ref) bool { return r.End >= from && r.Start <= to }) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if t, ok := a.options.Store.Trace(ref.ID); ok {
			tree := t.Tree()
			f := filter.FactsOf(tree)
			f.Groups(a.find)
			if expression.Match(f) {
				graph.Add(tree)
			}
		}
	}
	return &getServiceGraphOut{StartTime: at(from), EndTime: at(to), Services: a.services(&graph)}, nil
}

// maxGraphIDs bounds GetTraceGraph, for which X-Ray names no limit.
const maxGraphIDs = 1000

func (a *API) getTraceGraph(ctx context.Context, in *batchGetTracesIn) (*struct{ Services []serviceJSON }, error) {
	if len(in.TraceIDs) == 0 || len(in.TraceIDs) > maxGraphIDs {
		return nil, invalid("TraceIds has %d ids, from 1 to %d are due", len(in.TraceIDs), maxGraphIDs)
	}
	if err := (&page{in.NextToken}).single(); err != nil {
		return nil, err
	}
	var graph tracetree.Graph
	seen := map[segment.TraceID]bool{}
	for _, text := range in.TraceIDs {
		id, err := segment.ParseTraceID(text)
		if err != nil {
			return nil, invalid("TraceIds: %v", err)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if t, ok := a.options.Store.Trace(id); ok && !seen[id] {
			seen[id] = true
			graph.Add(t.Tree())
		}
	}
	return &struct{ Services []serviceJSON }{a.services(&graph)}, nil
}

// services writes a graph as X-Ray does: an edge stands with the node that it comes from and names the one that it leads to by
// its ReferenceId, and each root has a client of its own, named like it.
func (a *API) services(g *tracetree.Graph) []serviceJSON {
	list := []serviceJSON{}
	reference := map[tracetree.Node]int{}
	for _, n := range g.Nodes() {
		if n.Node == tracetree.Client {
			continue
		}
		s := serviceJSON{
			ReferenceID: len(list), Name: n.Name, Names: []string{n.Name}, Root: n.Root, AccountID: a.options.Account, Type: n.Type, State: "active",
			StartTime: at(n.Start), EndTime: at(n.End), Edges: []edgeJSON{},
			SummaryStatistics: new(statisticsOf(n.Stats)), DurationHistogram: histogram(n.Stats), ResponseTimeHistogram: histogram(n.Stats),
		}
		if n.Type == tracetree.TypeRemote {
			s.AccountID = ""
		}
		reference[n.Node] = len(list)
		list = append(list, s)
	}
	for _, e := range g.Edges() {
		edge := edgeJSON{
			ReferenceID: reference[e.To], StartTime: at(e.Start), EndTime: at(e.End),
			SummaryStatistics: statisticsOf(e.Stats), ResponseTimeHistogram: histogram(e.Stats), Aliases: []empty{}, ReceivedEventAgeHistogram: []histogramJSON{},
		}
		if e.From != tracetree.Client {
			from := &list[reference[e.From]]
			from.Edges = append(from.Edges, edge)
			continue
		}
		list = append(list, serviceJSON{
			ReferenceID: len(list), Name: e.To.Name, Names: []string{e.To.Name}, Type: tracetree.TypeClient, State: "unknown",
			StartTime: edge.StartTime, EndTime: edge.EndTime, Edges: []edgeJSON{edge},
		})
	}
	return list
}

// statisticsOf counts a request once, as X-Ray does: a fault before an error.
func statisticsOf(s tracetree.Stats) statistics {
	out := statistics{OkCount: s.OK, TotalCount: s.Total, TotalResponseTime: seconds(s.Time)}
	out.ErrorStatistics.ThrottleCount = s.Throttle
	out.ErrorStatistics.OtherCount = s.Error - s.Throttle
	out.ErrorStatistics.TotalCount = s.Error
	out.FaultStatistics.OtherCount = s.Fault
	out.FaultStatistics.TotalCount = s.Fault
	return out
}

func histogram(s tracetree.Stats) []histogramJSON {
	list := make([]histogramJSON, 0, len(s.Histogram))
	for _, b := range s.Histogram {
		list = append(list, histogramJSON{seconds(b.Value), b.Count})
	}
	return list
}
