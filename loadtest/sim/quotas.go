package sim

import (
	"fmt"
	"slices"
	"time"
)

// Quotas are the limits that AWS sets to an account in a region. All rates are per second.
type Quotas struct {
	APIRate, APIBurst float64 // requests that API Gateway takes, in all APIs

	PutEventsRate  float64 // calls of PutEvents
	BusInvocations float64 // deliveries to targets; above it they are late, not lost
	EntryBytes     int     // of an entry

	Concurrency     int     // of all functions
	Unreserved      int     // of it, that functions cannot reserve
	InvokeRate      float64 // invocations, for each unit of concurrency
	NewEnvironments struct {
		Count int
		Per   time.Duration
	} // of each function

	MaximumConcurrency int     // that may be asked of a mapping
	MappingInitial     int     // batches at a time that a mapping begins with
	MappingPerMinute   float64 // more each minute, while there is a backlog
	MappingMax         int
	MappingQuiet       time.Duration // without a message, after which it begins anew
	InFlight           int64         // messages of a queue that are received and not deleted
	PayloadBytes       int           // of an invocation

	TableWarm   float64       // write units of a new on-demand table
	TableQuota  float64       // write units of any
	TableDouble time.Duration // after which a table takes twice its peak
}

// regions have the quotas of EventBridge that differ by region: calls of PutEvents and deliveries a second.
var regions = []struct {
	names             []string
	puts, invocations float64
}{
	{[]string{"us-east-1", "us-west-2", "eu-west-1"}, 10_000, 18_750},
	{[]string{"us-east-2", "eu-central-1", "eu-south-2"}, 2400, 4500},
	{[]string{"us-west-1", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-2"}, 1200, 2250},
	{[]string{"ap-east-1", "ap-northeast-2", "ap-south-1", "ca-central-1", "eu-north-1", "eu-west-3", "sa-east-1"}, 600, 1100},
}

// QuotasOf returns the quotas that an account has in a region by default, as AWS documented them in November 2026. API
// Gateway: 10,000/s and 5,000 at once. EventBridge: by region; regions that its table does not name have 400 and 750. Lambda:
// 1,000 at a time, of which 100 stay unreserved, ten invocations a second for each, 1,000 more environments in 10 s. Mappings: 5 batches, 300 more a
// minute, 1,250 at most. SQS: 120,000 in flight. DynamoDB: 4,000 write units for a new on-demand table, double the peak
// after 30 minutes, 40,000 without a request to AWS.
func QuotasOf(region string) (Quotas, error) {
	if len(region) < 3 || len(region) > 30 {
		return Quotas{}, fmt.Errorf("sim: region %.40q", region)
	}
	q := Quotas{
		APIRate: 10_000, APIBurst: 5000,
		PutEventsRate: 400, BusInvocations: 750, EntryBytes: 1 << 20,
		Concurrency: 1000, Unreserved: 100, InvokeRate: 10,
		MaximumConcurrency: 1000, MappingInitial: 5, MappingPerMinute: 300, MappingMax: 1250, MappingQuiet: 20 * time.Second,
		InFlight: 120_000, PayloadBytes: 6 << 20,
		TableWarm: 4000, TableQuota: 40_000, TableDouble: 30 * time.Minute,
	}
	q.NewEnvironments.Count, q.NewEnvironments.Per = 1000, 10*time.Second
	for _, r := range regions {
		if slices.Contains(r.names, region) {
			q.PutEventsRate, q.BusInvocations = r.puts, r.invocations
		}
	}
	return q, nil
}

func (q Quotas) check() error {
	for _, f := range []struct {
		name  string
		value float64
	}{
		{"APIRate", q.APIRate}, {"APIBurst", q.APIBurst}, {"PutEventsRate", q.PutEventsRate}, {"BusInvocations", q.BusInvocations}, {"EntryBytes", float64(q.EntryBytes)},
		{"Concurrency", float64(q.Concurrency)}, {"InvokeRate", q.InvokeRate}, {"NewEnvironments.Count", float64(q.NewEnvironments.Count)}, {"NewEnvironments.Per", float64(q.NewEnvironments.Per)},
		{"MaximumConcurrency", float64(q.MaximumConcurrency)}, {"MappingInitial", float64(q.MappingInitial)}, {"MappingPerMinute", q.MappingPerMinute}, {"MappingMax", float64(q.MappingMax)}, {"MappingQuiet", float64(q.MappingQuiet)},
		{"InFlight", float64(q.InFlight)}, {"PayloadBytes", float64(q.PayloadBytes)}, {"TableWarm", q.TableWarm}, {"TableQuota", q.TableQuota}, {"TableDouble", float64(q.TableDouble)},
	} {
		if !(f.value > 0 && f.value <= 1e18) {
			return fmt.Errorf("quotas: %s is %v: more than 0, and a number", f.name, f.value)
		}
	}
	if q.Unreserved < 0 {
		return fmt.Errorf("quotas: Unreserved is %d: not negative", q.Unreserved)
	}
	return nil
}

// pollers returns how many batches at a time a mapping may have in the end.
func (q Quotas) pollers(l Leg) int64 {
	if l.Concurrency != 0 {
		return int64(min(l.Concurrency, q.MappingMax))
	}
	return int64(q.MappingMax)
}

// batch returns how many subjects at most are in a batch: the size asked for, or what 6 MB hold.
func (q Quotas) batch(l Leg, eventBytes int) int64 {
	// A record is the event in its envelope, escaped, with attributes.
	record := eventBytes*5/4 + 800
	return int64(max(1, min(l.BatchSize, q.PayloadBytes/record)))
}
