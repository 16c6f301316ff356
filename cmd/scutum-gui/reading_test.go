//go:build linux

package main

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"unicode"

	"github.com/stretchr/testify/require"
)

// words stand beside each other on the screen, at a place in pixels.
type words struct {
	text                string
	x, y, width, height int
}

func (w words) String() string { return fmt.Sprintf("%q at %d,%d", w.text, w.x, w.y) }

func number(n int) string { return strconv.Itoa(n) }

// read reads the screen: words in lines, which end where there is a gap.
func (s *screen) read() []words {
	s.Helper()
	picture := s.picture("-colorspace", "Gray")
	cmd := exec.Command("tesseract", picture, "-", "--psm", "11", "-l", "eng", "tsv")
	cmd.Env = append(s.env, "OMP_THREAD_LIMIT=1")
	table, err := cmd.Output()
	require.NoError(s, err)
	var all []words
	line := ""
	for row := range strings.Lines(string(table)) {
		// level, page, block, paragraph, line, word, left, top, width, height, confidence, text
		cells := strings.Split(strings.TrimRight(row, "\n"), "\t")
		if len(cells) != 12 || cells[0] != "5" || strings.TrimSpace(cells[11]) == "" {
			continue
		}
		w := words{text: plain(cells[11])}
		if w.text == "" {
			continue
		}
		for i, field := range []*int{&w.x, &w.y, &w.width, &w.height} {
			*field, err = strconv.Atoi(cells[6+i])
			require.NoError(s, err)
		}
		last := len(all) - 1
		if at := strings.Join(cells[1:5], "."); at != line || w.x-all[last].x-all[last].width > 18 {
			line = at
			all = append(all, w)
			continue
		}
		all[last].text += " " + w.text
		all[last].width = w.x + w.width - all[last].x
		all[last].height = max(all[last].height, w.y+w.height-all[last].y)
	}
	return all
}

// picture takes a picture of the screen.
func (s *screen) picture(options ...string) (path string) {
	s.Helper()
	path = s.path("screen.png")
	s.output("import", append(append([]string{"-silent", "-window", "root"}, options...), path)...)
	return path
}

// button says where the button is that a wizard wants pressed next: a blue area
// at the bottom. One that is off is grey. Its white letters cannot be read.
func (s *screen) button() (at image.Point, ok bool) {
	s.Helper()
	f, err := os.Open(s.picture())
	require.NoError(s, err)
	defer f.Close()
	picture, err := png.Decode(f)
	require.NoError(s, err)
	var area image.Rectangle
	size := picture.Bounds().Max
	for y := size.Y - 112; y < size.Y; y++ {
		for x := range size.X {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 < 80 && g>>8 < 140 && b>>8 > 200 {
				area = area.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return area.Min.Add(area.Size().Div(2)), area.Dx() > 60 && area.Dy() > 30
}

// find finds a text: alone if it can, else among others on a line, and of equals
// the last, as pages stand right of the navigation and buttons at the end.
func find(seen []words, text string) (best words, ok bool) {
	text = plain(text)
	more := 0
	for _, w := range seen {
		i := strings.Index(" "+w.text+" ", " "+text+" ")
		if i < 0 || ok && len(w.text)-len(text) > more {
			continue
		}
		more, ok = len(w.text)-len(text), true
		letter := float64(w.width) / float64(max(1, len(w.text)))
		best = words{text: text, x: w.x + int(letter*float64(i)), y: w.y, width: int(letter * float64(len(text))), height: w.height}
	}
	return best, ok
}

// plain keeps what reading does not mistake: letters and digits, in small, and
// dots within words.
func plain(text string) string {
	fields := strings.Fields(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' {
			return unicode.ToLower(r)
		}
		return ' '
	}, text))
	var all []string
	for _, word := range fields {
		if word = strings.Trim(word, "."); word != "" {
			all = append(all, word)
		}
	}
	return strings.Join(all, " ")
}
