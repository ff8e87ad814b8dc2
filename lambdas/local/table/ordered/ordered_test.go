package ordered_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"example.com/arvo/lambdas/local/table/ordered"
)

func Example() {
	var m ordered.Map[int]
	for i, key := range []string{"c", "a", "d", "b"} {
		m.Set(key, i)
	}
	m.Descend("a", "d", func(key string, value int) bool {
		fmt.Println(key, value)
		return key != "b"
	})
	// Output:
	// c 0
	// b 3
}

func collect(walk func(from, to string, yield func(string, int) bool), from, to string) []string {
	var keys []string
	walk(from, to, func(key string, _ int) bool { keys = append(keys, key); return true })
	return keys
}

// check compares everything that can be asked of the map with a Go map.
func check(t interface{ Fatalf(string, ...any) }, m *ordered.Map[int], model map[string]int, from, to string) {
	if m.Len() != len(model) {
		t.Fatalf("length %d, want %d", m.Len(), len(model))
	}
	var want []string
	for _, key := range slices.Sorted(maps.Keys(model)) {
		if key >= from && (to == "" || key < to) {
			want = append(want, key)
		}
	}
	if got := collect(m.Ascend, from, to); !slices.Equal(got, want) {
		t.Fatalf("ascending %q to %q: %q, want %q", from, to, got, want)
	}
	got := collect(m.Descend, from, to)
	if slices.Reverse(got); !slices.Equal(got, want) {
		t.Fatalf("descending %q to %q: %q, want %q", from, to, got, want)
	}
	for key, value := range model {
		if got, ok := m.Get(key); !ok || got != value {
			t.Fatalf("%q: %d %t, want %d", key, got, ok, value)
		}
	}
}

func TestAMapIsASortedGoMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m ordered.Map[int]
		model := map[string]int{}
		key := rapid.StringN(0, 3, -1)
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				k, v := key.Draw(t, "key"), rapid.Int().Draw(t, "value")
				m.Set(k, v)
				model[k] = v
			},
			"delete": func(t *rapid.T) {
				k := key.Draw(t, "key")
				_, want := model[k]
				if got := m.Delete(k); got != want {
					t.Fatalf("delete %q: %t", k, got)
				}
				delete(model, k)
			},
			"": func(t *rapid.T) { check(t, &m, model, key.Draw(t, "from"), key.Draw(t, "to")) },
		})
	})
}

// Thousands of keys, so that chunks split and join, in the orders that tables see: rising, falling, scattered.
func TestChunksSplitAndJoin(t *testing.T) {
	const n = 5000
	for name, place := range map[string]func(int) int{
		"rising": func(i int) int { return i }, "falling": func(i int) int { return n - i }, "scattered": func(i int) int { return i * 7919 % n },
	} {
		t.Run(name, func(t *testing.T) {
			var m ordered.Map[int]
			model := map[string]int{}
			for i := range n {
				key := fmt.Sprintf("%05d", place(i))
				m.Set(key, i)
				model[key] = i
			}
			check(t, &m, model, "", "")
			check(t, &m, model, "01234", "02345")
			for i := range n {
				if i%10 == 0 {
					continue
				}
				key := fmt.Sprintf("%05d", place(i))
				if !m.Delete(key) {
					t.Fatalf("%s is not there", key)
				}
				delete(model, key)
			}
			check(t, &m, model, "", "")
			for key := range maps.Clone(model) {
				m.Delete(key)
				delete(model, key)
			}
			check(t, &m, model, "", "")
		})
	}
}

// A full chunk splits well wherever the new key belongs.
func TestAFullChunkSplitsAtEveryPlace(t *testing.T) {
	const full = 512
	for place := range full + 1 {
		var m ordered.Map[int]
		for i := range full {
			m.Set(fmt.Sprintf("%04d", 2*i+1), i)
		}
		m.Set(fmt.Sprintf("%04d", 2*place), -1)
		keys := collect(m.Ascend, "", "")
		if len(keys) != full+1 || !slices.IsSorted(keys) || keys[place] != fmt.Sprintf("%04d", 2*place) {
			t.Fatalf("a key at place %d: %d keys, sorted %t", place, len(keys), slices.IsSorted(keys))
		}
	}
}

// Emptied from either end, no chunk without entries is left behind.
func TestAMapEmptiesFromEitherEnd(t *testing.T) {
	const n = 2000
	for name, place := range map[string]func(int) int{"front": func(i int) int { return i }, "back": func(i int) int { return n - 1 - i }} {
		t.Run(name, func(t *testing.T) {
			var m ordered.Map[int]
			model := map[string]int{}
			for i := range n {
				key := fmt.Sprintf("%05d", i)
				m.Set(key, i)
				model[key] = i
			}
			for i := range n {
				key := fmt.Sprintf("%05d", place(i))
				m.Delete(key)
				delete(model, key)
				if i%97 == 0 || n-i < 20 {
					check(t, &m, model, "", "")
					check(t, &m, model, "00900", "01100")
					if m.Delete("99999") || m.Delete("") {
						t.Fatal("a key that was never there is deleted")
					}
				}
			}
			m.Set("again", 1)
			check(t, &m, map[string]int{"again": 1}, "", "")
		})
	}
}

func BenchmarkSet(b *testing.B) {
	var m ordered.Map[[4]int]
	i := 0
	for b.Loop() {
		m.Set(fmt.Sprintf("%016x", uint64(i)*11400714819323198485), [4]int{})
		i++
	}
}

func BenchmarkGet(b *testing.B) {
	var m ordered.Map[[4]int]
	keys := make([]string, 1<<20)
	for i := range keys {
		keys[i] = fmt.Sprintf("%016x", uint64(i)*11400714819323198485)
		m.Set(keys[i], [4]int{})
	}
	i := 0
	for b.Loop() {
		m.Get(keys[i&(1<<20-1)])
		i++
	}
}
