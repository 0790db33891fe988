package rdap

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"spoor/registry"
)

// BenchmarkRDAP asks over kept connections, in turn with a null net/http server that
// answers with as many bytes.
func BenchmarkRDAP(b *testing.B) {
	built := table(b)
	c := registry.DefaultConfig().Serve
	s := NewServer(Deps{Config: c, Table: func() *registry.Table { return built }})
	ours := httptest.NewServer(s.Handler())
	defer ours.Close()
	answer := ask(s, "GET", "/ip/198.51.7.1").Body.Bytes()
	null := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		_, _ = w.Write(answer)
	}))
	defer null.Close()
	var mine, nulls []time.Duration
	for b.Loop() {
		nulls = append(nulls, crowd(b, null.URL))
		mine = append(mine, crowd(b, ours.URL))
	}
	slices.Sort(mine)
	slices.Sort(nulls)
	m, n := mine[len(mine)/2], nulls[len(nulls)/2]
	b.ReportMetric(crowdSize/m.Seconds(), "answers/s")
	b.ReportMetric(crowdSize/n.Seconds(), "null/s")
	fmt.Printf("ratio rdap-vs-null %.2f\n", float64(n)/float64(m))
}

const crowdSize = 2000

func crowd(b *testing.B, url string) time.Duration {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	begin := time.Now()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range crowdSize / 8 {
				resp, err := client.Get(url + "/ip/198.51.7.1")
				if err != nil {
					b.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != 200 {
					b.Errorf("%d, %v", resp.StatusCode, err)
				}
			}
		})
	}
	wait.Wait()
	return time.Since(begin)
}
