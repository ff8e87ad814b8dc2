package draw_test

import (
	"fmt"
	"strings"

	"example.com/arvo/dashboards/draw"
)

func ExamplePlot() {
	svg := draw.Plot{
		Frame:  draw.Frame{ID: "knee", Title: "Completed rate goes flat at 79/s", Desc: "It follows what is offered up to 79/s."},
		X:      draw.Axis{Label: "offered (subjects/s)"},
		Y:      draw.Axis{Label: "completed (subjects/s)"},
		Series: []draw.Series{{Name: "C=4", X: []float64{40, 80, 160}, Y: []float64{40, 79, 79.2}}},
	}.SVG(draw.Wide)
	fmt.Println(svg[:strings.Index(svg, " font-family")])
	fmt.Println(svg[strings.LastIndex(svg, "<text"):])
	// Output:
	// <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 340" role="img" aria-labelledby="knee-720-t" aria-describedby="knee-720-d"
	// <text x="682.2" y="31.8">C=4</text></svg>
}

func ExampleBars() {
	svg := draw.Bars{
		Frame:   draw.Frame{ID: "time", Title: "Where the time of a subject goes"},
		Axis:    draw.Axis{Unit: draw.Seconds},
		Groups:  []string{"C=2", "C=4"},
		Parts:   []draw.Part{{Name: "queue", Values: []float64{14, 4.5}}, {Name: "service", Values: []float64{.05, .05}}},
		Stacked: true,
	}.SVG(draw.Narrow)
	fmt.Println(strings.Contains(svg, "<title>queue: 4.50\u202Fs</title>"))
	// Output: true
}

func ExampleUnit_Format() {
	fmt.Println(draw.Number.Format(79.23), draw.Count.Format(1423), strings.ReplaceAll(draw.Seconds.Format(0.056), "\u202F", " "), strings.ReplaceAll(draw.Percent.Format(0.125), "\u202F", " "))
	// Output: 79.2 1423 56.0 ms 12.5 %
}
