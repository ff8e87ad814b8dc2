package sim

// Prices are list prices in US dollars.
type Prices struct {
	Date   string
	Region string

	APIRequests   float64 // a million, REST API
	Events        float64 // a million chunks of 64 KB published to a custom bus
	QueueRequests float64 // a million, of up to 64 KB
	Invocations   float64 // a million
	GBSeconds     float64 // one, arm64
	WriteUnits    float64 // a million, on demand
	ReadUnits     float64 // a million, on demand
	LogGB         float64 // one, ingested
	Traces        float64 // a million recorded
	ChunkBytes    int     // of an event that count as one
}

// USEast1 returns the list prices of us-east-1 without free tiers, in November 2026.
func USEast1() Prices {
	return Prices{
		Date: "2026-11", Region: "us-east-1",
		APIRequests: 3.50, Events: 1.00, QueueRequests: 0.40, Invocations: 0.20, GBSeconds: 0.0000133334,
		WriteUnits: 0.625, ReadUnits: 0.125, LogGB: 0.50, Traces: 5.00, ChunkBytes: 64 << 10,
	}
}

// Usage is what is paid for.
type Usage struct {
	APIRequests   float64
	EventChunks   float64
	QueueRequests float64 // sends, receives and deletes
	Invocations   float64
	GBSeconds     float64
	WriteUnits    float64
	ReadUnits     float64
	LogBytes      float64
	Traces        float64
}

// A CostItem is a line of a bill.
type CostItem struct {
	Name string
	USD  float64
}

// Cost returns what usage costs, and the lines of it.
func (p Prices) Cost(u Usage) (items []CostItem, sum float64) {
	items = []CostItem{
		{"API Gateway", u.APIRequests / 1e6 * p.APIRequests},
		{"EventBridge", u.EventChunks / 1e6 * p.Events},
		{"SQS", u.QueueRequests / 1e6 * p.QueueRequests},
		{"Lambda requests", u.Invocations / 1e6 * p.Invocations},
		{"Lambda duration", u.GBSeconds * p.GBSeconds},
		{"DynamoDB", u.WriteUnits/1e6*p.WriteUnits + u.ReadUnits/1e6*p.ReadUnits},
		{"CloudWatch Logs", u.LogBytes / 1e9 * p.LogGB},
		{"X-Ray", u.Traces / 1e6 * p.Traces},
	}
	for _, item := range items {
		sum += item.USD
	}
	return items, sum
}

// per returns the usage for a million of n subjects.
func (u Usage) per(n int64) Usage {
	if n == 0 {
		return Usage{}
	}
	f := 1e6 / float64(n)
	return Usage{
		u.APIRequests * f, u.EventChunks * f, u.QueueRequests * f, u.Invocations * f, u.GBSeconds * f,
		u.WriteUnits * f, u.ReadUnits * f, u.LogBytes * f, u.Traces * f,
	}
}
