package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"text/template"
	"time"

	"spoor/testdata/demo"
)

// A sample is one mail of the demo, with its times filled in.
type sample struct {
	name string // without number and ending
	way  string // by which it goes in: "smtp" or "pipe"
	mail []byte
}

// samples reads the demo's mails in order; every fourth goes in by the pipe.
func samples(now time.Time) ([]sample, error) {
	names, err := fs.Glob(demo.Files, "mail/*.eml")
	if err != nil {
		return nil, err
	}
	var out []sample
	for i, name := range names {
		text, err := fs.ReadFile(demo.Files, name)
		if err != nil {
			return nil, err
		}
		mail, err := fillTimes(name, text, now)
		if err != nil {
			return nil, err
		}
		way := "smtp"
		if i%4 == 3 {
			way = "pipe"
		}
		out = append(out, sample{strings.TrimSuffix(path.Base(name), ".eml"), way, mail})
	}
	return out, nil
}

// fillTimes replaces {{date "-45m"}} and its kin by times before now; lines end as mail's do.
func fillTimes(name string, text []byte, now time.Time) ([]byte, error) {
	in := func(layout string) func(string) (string, error) {
		return func(ago string) (string, error) {
			d, err := time.ParseDuration(ago)
			return now.Add(d).UTC().Format(layout), err
		}
	}
	t, err := template.New(path.Base(name)).Funcs(template.FuncMap{
		"date":    in(time.RFC1123Z),
		"stamp":   in(time.DateTime),
		"syslog":  in(time.Stamp),
		"chinese": func(ago string) (string, error) { return chineseDate(now, ago) },
	}).Parse(string(text))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, nil); err != nil {
		return nil, err
	}
	return bytes.ReplaceAll(out.Bytes(), []byte("\n"), []byte("\r\n")), nil
}

// chineseDate writes a time as the mail software of 2004 did that left out the zone.
func chineseDate(now time.Time, ago string) (string, error) {
	d, err := time.ParseDuration(ago)
	if err != nil {
		return "", err
	}
	t := now.Add(d).UTC()
	weekdays := []string{"日", "一", "二", "三", "四", "五", "六"}
	months := []string{"一", "二", "三", "四", "五", "六", "七", "八", "九", "十", "十一", "十二"}
	return fmt.Sprintf("星期%s, %02d %s月%d %s", weekdays[t.Weekday()], t.Day(), months[t.Month()-1], t.Year(), t.Format(time.TimeOnly)), nil
}
