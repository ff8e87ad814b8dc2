// Package draw makes charts: data in, SVG out. It runs where the data is, on the server, so a page that shows them needs no
// JavaScript, no fonts and no network, and a report that holds them can be read in ten years.
//
//	[Plot]    lines and points over two axes, areas between lines, the diagonal, vertical marks, notes at a point
//	[Bars]    horizontal bars, stacked or side by side
//	[Spark]   a line without axes, as large as a word
//
//	svg := draw.Plot{
//		Frame:  draw.Frame{ID: "knee", Title: "Completed over offered", Desc: "Flat from 79/s on."},
//		X:      draw.Axis{Label: "offered (subjects/s)"},
//		Y:      draw.Axis{Label: "completed (subjects/s)"},
//		Series: []draw.Series{{Name: "C=4", X: offered, Y: completed}},
//	}.SVG(draw.Wide)
//
// # Promises
//
//   - Functions are pure: equal charts give equal bytes. Coordinates are rounded to a tenth, far more coarsely than
//     processors differ, so golden files hold on all of them.
//   - Whatever is in a chart, the result is one well-formed svg element without scripts, styles, links or event handlers,
//     and may be put into a page as it is. Names, titles and texts are escaped, shortened to what fits (the whole is in the
//     tooltip), and stripped of control characters and of those that turn the direction of writing.
//   - Nothing is invented. NaN, infinite values and those beyond ±1e100 are gaps: a line is interrupted, a bar is missing,
//     a number is "–". So are values that a logarithmic axis does not have. A chart without data says so.
//   - The size is bounded, whatever the data: see Limits.
//   - Nothing is told by colour alone. Series differ by marker, bars by hatching, and both by a label beside them.
//     A dashed line is one that was not measured: a prediction, a bound, a diagonal.
//
// # In a page
//
// The root is role="img" with a title and a description, so it is one picture to a screen reader: put the numbers beside
// it, in a table. Tooltips are title elements, which every browser shows by itself. Text and lines are currentColor and
// halos Canvas, so a page with "color-scheme: light dark" has dark charts for nothing.
//
// A chart has a viewBox and no width: it becomes as wide as its place, letters included. Letters of 12 units are
// readable between 90 % and 150 % of the width that was drawn for. So a page that is read on telephones too has each
// chart drawn twice, [Wide] and [Narrow], and shows one of them (CSS display); drawing for one width and shrinking it makes
// letters of 6 px, and a larger font on a wide chart has no room for labels. The two are not the same picture: a narrow
// one has fewer ticks, and a legend above it where the wide one has labels at the ends of lines. IDs differ by themselves.
//
// # Ticks
//
// A linear axis includes zero: half of all misleading charts are those that do not. Ticks are at 1, 2 or 5 times a power of
// ten, for seconds at what a clock has (1, 2, 5, 10, 15, 30 s, 1, 2, 5 min ...), as many as there is room for. Numbers of
// ten thousand and more have SI prefixes.
//
// # Limits
//
// A chart has at most [MaxSeries] series, [MaxGroups] bars, and [MaxMarks] marks and notes; it says how many it leaves out.
// A line that has more points than pixels is reduced to the first, least, greatest and last of each pixel column (M4:
// Jugel, Jerzak, Hackenbroich and Markl, VLDB 2014): the line that is drawn is the same, extremes are not lost, and a column
// has four points whatever the data. The largest triangle (LTTB) was rejected because it may drop the one peak that somebody
// looks for; averages are worse. Points in the same two pixels are drawn once, and beyond [MaxPoints] every k-th only.
//
// # Colours
//
// Those of Okabe and Ito (Color Universal Design, 2008), which people with any kind of colour vision tell apart, without
// the yellow, which white paper has not enough contrast with, and with currentColor for black. After seven
// they come again.
//
// # What was rejected
//
//   - go-echarts: its page loads a megabyte of JavaScript from elsewhere, and draws on a canvas that has no text for
//     screen readers and is empty on paper.
//   - gonum/plot: good axes, but twelve megabytes more in a program that is otherwise nine, and no accessible markup.
//   - wcharczuk/go-chart, go-analyze/charts: fixed pixels and colours, so neither dark mode nor narrow windows.
//   - vegeta's plot: the latency of single requests, and nothing else.
//   - Vega, Plotly, uPlot and others in the browser: a reader would have to run code to see a line, and no test could say
//     that a chart has not changed.
package draw
