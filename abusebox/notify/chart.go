package notify

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

// A chart is what our flows saw an address do, hour by hour: a drawing, and a text that says the same.
type chart struct {
	title string
	begin time.Time
	bars  []int
	most  int
}

// Bounds of a chart.
const (
	maxCharts = 5
	chartBars = 48
	barWidth  = 12
	chartHigh = 120
)

// chart draws the hours around an incident; ok is false where our flows have nothing to show.
func (c *Composer) chart(ctx context.Context, i incident.Incident, now time.Time) (chart, bool) {
	if c.activity == nil || !i.Key.Net.IsValid() {
		return chart{}, false
	}
	end := i.Last.Add(6 * time.Hour)
	if end.After(now) {
		end = now
	}
	end = end.UTC().Truncate(time.Hour).Add(time.Hour)
	drawn := chart{begin: end.Add(-chartBars * time.Hour), bars: make([]int, chartBars)}
	for _, p := range c.activity(ctx, i.Key.Net.Addr(), i.Key.Type, drawn.begin, end) {
		if n := int(p.At.Sub(drawn.begin) / time.Hour); !p.At.Before(drawn.begin) && n < chartBars && p.Count > 0 {
			drawn.bars[n] += p.Count
			drawn.most = max(drawn.most, drawn.bars[n])
		}
	}
	drawn.title = fmt.Sprintf("%s: what our flow records count per hour, from %s, at most %d", i.Key.Net.Addr(), drawn.begin.Format("2006-01-02 15:00 UTC"), drawn.most)
	return drawn, drawn.most > 0
}

// text is one line of letters, an hour each: a dot is none, 1 to 9 tenths of the most.
func (c chart) text() string {
	var b strings.Builder
	b.WriteString("  " + c.title + "\n  ")
	for n, v := range c.bars {
		if n > 0 && n%24 == 0 {
			b.WriteString("|")
		}
		switch {
		case v == 0:
			b.WriteByte('.')
		default:
			b.WriteByte('0' + byte(min(max(v*9/c.most, 1), 9)))
		}
	}
	b.WriteString("  (one character an hour: . none, 9 most)")
	return b.String()
}

// png draws the same for the many mail readers that show no SVG: bars, a line under them, and one at each midnight.
func (c chart) png() ([]byte, error) {
	white, bar, line := color.RGBA{0xff, 0xff, 0xff, 0xff}, color.RGBA{0x33, 0x55, 0x77, 0xff}, color.RGBA{0xbb, 0xbb, 0xbb, 0xff}
	img := image.NewPaletted(image.Rect(0, 0, chartBars*barWidth, chartHigh+2), color.Palette{white, bar, line})
	fill := func(x0, y0, x1, y1 int, with color.Color) {
		draw.Draw(img, image.Rect(x0, y0, x1, y1), image.NewUniform(with), image.Point{}, draw.Src)
	}
	for n, v := range c.bars {
		if c.begin.Add(time.Duration(n)*time.Hour).UTC().Hour() == 0 {
			fill(n*barWidth, 0, n*barWidth+1, chartHigh, line)
		}
		if v > 0 {
			high := max(v*chartHigh/c.most, 1)
			fill(n*barWidth+1, chartHigh-high, (n+1)*barWidth-1, chartHigh, bar)
		}
	}
	fill(0, chartHigh, chartBars*barWidth, chartHigh+1, line)
	var b bytes.Buffer
	err := png.Encode(&b, img)
	return b.Bytes(), err
}

// svg draws the same; it holds numbers and our own words only, and neither scripts nor links.
func (c chart) svg() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img"><title>%s</title>`, chartBars*barWidth, chartHigh+16, c.title)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" fill="#fff"/>`)
	for n, v := range c.bars {
		if v == 0 {
			continue
		}
		high := max(v*chartHigh/c.most, 1)
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="#357"/>`, n*barWidth+1, chartHigh-high, barWidth-2, high)
	}
	fmt.Fprintf(&b, `<text x="2" y="%d" font-size="11" font-family="sans-serif">%s</text></svg>`, chartHigh+12, c.title)
	return b.Bytes()
}
