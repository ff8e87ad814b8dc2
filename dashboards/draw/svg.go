package draw

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Frame is what every chart has.
type Frame struct {
	ID     string // unique in its page; letters, digits and '-', others become '-'. "chart" when empty
	Title  string // what the chart says: "Completed rate goes flat at 79/s"
	Desc   string // the same for somebody who cannot see it
	Headed bool   // the title is drawn, too: for a chart that stands by itself
}

// A Size is the width and height that a chart is drawn for, in units that are pixels at 100 %. A legend comes on top of the
// height.
type Size struct{ Width, Height int }

// The two sizes of a page that is read on wide and on narrow screens.
var (
	Wide   = Size{720, 340}
	Narrow = Size{340, 270}
)

// bounded returns the size within 200x120 to 4000x4000; zero is Wide.
func (s Size) bounded() Size {
	if s == (Size{}) {
		s = Wide
	}
	return Size{min(max(s.Width, 200), 4000), min(max(s.Height, 120), 4000)}
}

// Limits of a chart.
const (
	MaxSeries = 24
	MaxGroups = 48
	MaxMarks  = 24
	MaxPoints = 2000 // of a series that is drawn as points
)

const (
	fontSize   = 12.0
	lineHeight = 15.0
	maxText    = 400 // runes of a text, wherever it comes from; titles and descriptions have five times as many
)

// colours are those of Okabe and Ito.
var colours = [...]string{"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "currentColor"}

func colour(i int) string { return colours[i%len(colours)] }

// picture is an svg element in the making.
type picture struct {
	b             strings.Builder
	id            string
	width, height float64
}

// open begins a chart. Its height is known then.
func open(f Frame, width, height float64) *picture {
	p := &picture{id: identifier(f.ID), width: width, height: height}
	id := fmt.Sprintf("%s-%g", p.id, width)
	p.f(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t"`, n(width), n(height), id)
	if f.Desc != "" {
		p.f(` aria-describedby="%s-d"`, id)
	}
	p.f(` font-family="system-ui,sans-serif" font-size="%s" fill="currentColor"><title id="%s-t">%s</title>`, n(fontSize), id, escape(clean(f.Title, 5*maxText)))
	if f.Desc != "" {
		p.f(`<desc id="%s-d">%s</desc>`, id, escape(clean(f.Desc, 5*maxText)))
	}
	p.id = id
	return p
}

func (p *picture) close() string {
	p.b.WriteString("</svg>")
	return p.b.String()
}

// f writes what is no text of others: that goes through escape.
func (p *picture) f(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

// Anchors of text.
const (
	left   = "start"
	middle = "middle"
	right  = "end"
)

// text writes a line of text that is not wider than room; what is cut off is in its tooltip.
func (p *picture) text(x, y float64, anchor string, room float64, attributes, s string) {
	s = clean(s, maxText)
	short := shorten(s, room)
	if short == "" {
		return
	}
	p.f(`<text x="%s" y="%s"`, n(x), n(y))
	if anchor != left {
		p.f(` text-anchor="%s"`, anchor)
	}
	if attributes != "" {
		p.f(" %s", attributes)
	}
	p.f(">%s", escape(short))
	if short != s {
		p.f("<title>%s</title>", escape(s))
	}
	p.f("</text>")
}

// halo makes text readable on lines and bars.
const halo = `stroke="Canvas" stroke-width="3" stroke-linejoin="round" paint-order="stroke"`

// line writes a straight line.
func (p *picture) line(x1, y1, x2, y2 float64, attributes string) {
	p.f(`<path d="M%s %sL%s %s" %s/>`, n(x1), n(y1), n(x2), n(y2), attributes)
}

// shape writes an element, with a tooltip if there is one.
func (p *picture) shape(name, attributes, tip string) {
	if tip == "" {
		p.f("<%s %s/>", name, attributes)
		return
	}
	p.f("<%s %s><title>%s</title></%s>", name, attributes, escape(clean(tip, 5*maxText)), name)
}

// marker writes the marker of series i at a point.
func (p *picture) marker(i int, x, y, r float64, tip string) {
	c := colour(i)
	path := func(format string, at ...float64) {
		p.shape("path", fmt.Sprintf(`d="%s" fill="%s"`, moves(format, at...), c), tip)
	}
	switch i % 7 {
	case 0:
		p.shape("circle", fmt.Sprintf(`cx="%s" cy="%s" r="%s" fill="%s"`, n(x), n(y), n(r), c), tip)
	case 1:
		p.shape("rect", fmt.Sprintf(`x="%s" y="%s" width="%s" height="%s" fill="%s"`, n(x-r*.9), n(y-r*.9), n(r*1.8), n(r*1.8), c), tip)
	case 2:
		path("M%s %sL%s %sH%sZ", x, y-r*1.2, x+r*1.15, y+r*.9, x-r*1.15)
	case 3:
		path("M%s %sL%s %sL%s %sL%s %sZ", x, y-r*1.3, x+r*1.3, y, x, y+r*1.3, x-r*1.3, y)
	case 4:
		path("M%s %sL%s %sH%sZ", x, y+r*1.2, x+r*1.15, y-r*.9, x-r*1.15)
	case 5:
		p.shape("circle", fmt.Sprintf(`cx="%s" cy="%s" r="%s" fill="Canvas" stroke="%s" stroke-width="1.8"`, n(x), n(y), n(r*.85), c), tip)
	case 6:
		p.shape("path", fmt.Sprintf(`d="%s" stroke="%s" stroke-width="1.8"`, moves("M%s %sL%s %sM%s %sL%s %s", x-r, y-r, x+r, y+r, x-r, y+r, x+r, y-r), c), tip)
	}
}

// moves writes the coordinates of a path.
func moves(format string, at ...float64) string {
	args := make([]any, len(at))
	for i, v := range at {
		args[i] = n(v)
	}
	return fmt.Sprintf(format, args...)
}

// n writes a coordinate: to a tenth, without what does not count.
func n(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0" // not reached: places are made of values that are drawable
	}
	v = math.Round(v * 10)
	if v == 0 {
		return "0"
	}
	return strconv.FormatFloat(v/10, 'f', -1, 64)
}

// drawable reports whether a value has a place.
func drawable(v float64) bool { return v >= -1e100 && v <= 1e100 } // false for NaN

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&#34;", "'", "&#39;")

func escape(s string) string { return escaper.Replace(s) }

// clean returns at most limit runes of s, without what XML does not take or what turns the direction of writing.
func clean(s string, limit int) string {
	var b strings.Builder
	count := 0
	for i, r := range s {
		if count++; count > limit {
			b.WriteRune('…')
			break
		}
		switch {
		case r == '\n', r == '\t':
			b.WriteRune(r)
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\uFFFE', r == '\uFFFF', r == '\u2028', r == '\u2029':
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteString(s[i : i+utf8.RuneLen(r)])
		}
	}
	return b.String()
}

func identifier(id string) string {
	id = clean(id, 80)
	id = strings.Map(func(r rune) rune {
		if r < 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-') {
			return r
		}
		return '-'
	}, id)
	if id == "" {
		return "chart"
	}
	if id[0] == '-' || unicode.IsDigit(rune(id[0])) {
		id = "c" + id
	}
	return id
}

// widthOf estimates how wide a text is, rather too wide: the font is not known where it is drawn.
func widthOf(s string) float64 {
	w := 0.0
	for _, r := range s {
		w += widthOfRune(r)
	}
	return w
}

func widthOfRune(r rune) float64 {
	switch {
	case strings.ContainsRune("ijltfrI.,:;|!'()[] ", r):
		return .36 * fontSize
	case r == '\u202F' || r == '\u2009' || unicode.Is(unicode.Mn, r):
		return .2 * fontSize
	case strings.ContainsRune("mwMW%@—…", r):
		return .95 * fontSize
	case r >= 0x1100 && !(r >= 0x2000 && r < 0x2C00):
		return 1.1 * fontSize
	case unicode.IsUpper(r):
		return .72 * fontSize
	default:
		return .59 * fontSize
	}
}

// shorten cuts a text to a width.
func shorten(s string, room float64) string {
	s = strings.Join(strings.Fields(s), " ")
	if widthOf(s) <= room {
		return s
	}
	room -= widthOfRune('…')
	for i, r := range s {
		if room -= widthOfRune(r); room < 0 {
			if i == 0 {
				return ""
			}
			return strings.TrimRight(s[:i], " ") + "…"
		}
	}
	return s // not reached: it is wider than there is room
}
