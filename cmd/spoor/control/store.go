package control

import (
	"context"
	"net/http"
	"time"
)

// A StoreStats is what lies in the store.
type StoreStats struct {
	Dir      string        `json:"dir"`
	Free     int64         `json:"free"`     // bytes of the disk that nobody uses
	MinFree  int64         `json:"min_free"` // bytes below which mail is answered 452
	Spool    StoreSpool    `json:"spool"`
	Files    []StoreFile   `json:"files"`
	Buckets  []StoreBucket `json:"buckets"` // of mail.db
	Outbox   StoreOutbox   `json:"outbox"`
	SetAside StoreSetAside `json:"set_aside"`
	Keep     []StoreKeep   `json:"keep"`
}

// A StoreSpool is the raw mail.
type StoreSpool struct {
	Segments       int       `json:"segments"`
	Bytes          int64     `json:"bytes"` // on disk
	Mails          int       `json:"mails"`
	Oldest         time.Time `json:"oldest,omitzero"` // day of the oldest segment, UTC
	Newest         time.Time `json:"newest,omitzero"` // day of the newest segment, UTC
	Undecided      int       `json:"undecided"`       // mails about which the desk has not decided
	UndecidedSince time.Time `json:"undecided_since,omitzero"`
	Drop           int       `json:"drop"` // mails of `spoor file` that wait for the daemon
}

// A StoreFile is one database.
type StoreFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// A StoreBucket is one part of mail.db.
type StoreBucket struct {
	Name    string `json:"name"`
	Records int    `json:"records"`
	Bytes   int64  `json:"bytes"`
}

// A StoreOutbox is what is to be done outside: notices, mostly.
type StoreOutbox struct {
	Waiting int       `json:"waiting"`
	Next    time.Time `json:"next,omitzero"` // when the next one is due
	Failed  int       `json:"failed"`        // refused for good
	Expired int       `json:"expired"`       // tried until their time was up
}

// A StoreSetAside counts what people must look at since Spoor could not.
type StoreSetAside struct {
	Unreadable int `json:"unreadable"` // mails that the spool could not give back
	Poison     int `json:"poison"`     // mails whose processing failed too often
	Drop       int `json:"drop"`       // files of the drop folder that are no mails
}

// A StoreKeep is one age at which something is erased.
type StoreKeep struct {
	Key  string `json:"key"`   // of the configuration
	What string `json:"what"`  // is erased
	AgeS int64  `json:"age_s"` // seconds
	Due  int    `json:"due"`   // how many would be erased now
}

// Store registers the question what lies in the store.
func Store(mux *http.ServeMux, stats func(context.Context) (StoreStats, error)) {
	mux.HandleFunc("GET /store/stats", func(w http.ResponseWriter, r *http.Request) {
		s, err := stats(r.Context())
		Reply(w, s, err)
	})
}
