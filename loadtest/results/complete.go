package results

import (
	"fmt"
	"math"
	"reflect"
	"time"
)

// complete returns a copy of results as they are written: no list and no map is nil, and no number is NaN or infinite. Such a
// number becomes null where the form allows it, and is an error elsewhere. The original is left alone: others may be
// reading it.
func complete(r Results) (Results, error) {
	whole := reflect.New(reflect.TypeFor[Results]()).Elem()
	if err := copyWhole(whole, reflect.ValueOf(r), "", false); err != nil {
		return Results{}, fmt.Errorf("results: %w", err)
	}
	return whole.Interface().(Results), nil
}

// copyWhole copies from into to, deeply. The path names from in errors; optional lists stay nil.
func copyWhole(to, from reflect.Value, path string, optional bool) error {
	switch from.Kind() {
	case reflect.Struct:
		if from.Type() == reflect.TypeFor[time.Time]() {
			to.Set(from)
			return nil
		}
		for i := range from.NumField() {
			m := memberOf(from.Type().Field(i))
			if err := copyWhole(to.Field(i), from.Field(i), join(path, m.name), m.optional); err != nil {
				return err
			}
		}
	case reflect.Pointer:
		if from.IsNil() {
			return nil
		}
		if f := from.Elem(); f.Kind() == reflect.Float64 && !finite(f.Float()) {
			return nil
		}
		to.Set(reflect.New(from.Type().Elem()))
		return copyWhole(to.Elem(), from.Elem(), path, false)
	case reflect.Slice:
		if from.IsNil() && optional {
			return nil
		}
		to.Set(reflect.MakeSlice(from.Type(), from.Len(), from.Len()))
		for i := range from.Len() {
			if err := copyWhole(to.Index(i), from.Index(i), fmt.Sprintf("%s[%d]", path, i), false); err != nil {
				return err
			}
		}
	case reflect.Map:
		if from.IsNil() && optional {
			return nil
		}
		to.Set(reflect.MakeMapWithSize(from.Type(), from.Len()))
		for entries := from.MapRange(); entries.Next(); {
			to.SetMapIndex(entries.Key(), entries.Value()) // of numbers of subjects: nothing in them is nil
		}
	case reflect.Float64:
		if !finite(from.Float()) {
			return fmt.Errorf("%s is %v, and has to be a number", path, from.Float())
		}
		to.Set(from)
	default:
		to.Set(from)
	}
	return nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
