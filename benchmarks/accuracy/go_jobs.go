// go run go_jobs.go < jobs: makes files with Go's libraries, as scripts.py asks and is answered.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/image/draw"
)

type job struct {
	Src, Out, Way          string
	Width, Height, Quality int
	Resize                 bool
	Quarters               int // against the clock
	Sharpen                float64
}

var drawn = map[string]draw.Scaler{
	"draw-nearest":         draw.NearestNeighbor,
	"draw-approx-bilinear": draw.ApproxBiLinear,
	"draw-bilinear":        draw.BiLinear,
	"draw-catmull-rom":     draw.CatmullRom,
}

var resampled = map[string]imaging.ResampleFilter{
	"box":      imaging.Box,
	"linear":   imaging.Linear,
	"mitchell": imaging.MitchellNetravali,
	"lanczos":  imaging.Lanczos,
}

func made(todo job) error {
	file, err := os.Open(todo.Src)
	if err != nil {
		return err
	}
	defer file.Close()
	picture, _, err := image.Decode(file)
	if err != nil {
		return err
	}
	if scaler, known := drawn[todo.Way]; known && todo.Resize {
		to := image.NewRGBA(image.Rect(0, 0, todo.Width, todo.Height))
		scaler.Scale(to, to.Bounds(), picture, picture.Bounds(), draw.Src, nil)
		picture = to
	} else if todo.Resize {
		picture = imaging.Resize(picture, todo.Width, todo.Height, resampled[todo.Way])
	}
	if todo.Sharpen > 0 {
		picture = imaging.Sharpen(picture, todo.Sharpen)
	}
	for quarter := 0; quarter < todo.Quarters; quarter++ {
		picture = imaging.Rotate90(picture)
	}
	out, err := os.Create(todo.Out)
	if err != nil {
		return err
	}
	defer out.Close()
	switch filepath.Ext(todo.Out) {
	case ".png":
		return png.Encode(out, picture)
	case ".gif":
		return gif.Encode(out, picture, nil)
	}
	if todo.Quality == 0 {
		return jpeg.Encode(out, picture, nil)
	}
	return jpeg.Encode(out, picture, &jpeg.Options{Quality: todo.Quality})
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for number := 0; lines.Scan(); number++ {
		var todo job
		err := json.Unmarshal(lines.Bytes(), &todo)
		if err == nil {
			err = made(todo)
		}
		said := ""
		if err != nil {
			said = strings.Join(strings.Fields(err.Error()), " ")
		}
		fmt.Printf("%d\t%s\n", number, said)
	}
}
