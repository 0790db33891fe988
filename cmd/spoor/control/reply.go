package control

import (
	"encoding/json"
	"errors"
	"iter"
	"net/http"
)

// Reply answers with v as one line of JSON, or with err.
func Reply(w http.ResponseWriter, v any, err error) {
	if err != nil {
		Fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = encoder(w).Encode(v) // a client that left is no fault of ours
}

// Stream answers with each value as a line of JSON; an error after the first line cuts the answer off.
func Stream[T any](w http.ResponseWriter, values iter.Seq2[T, error]) {
	enc, begun := encoder(w), false
	for v, err := range values {
		if err != nil && !begun {
			Fail(w, err)
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if !begun {
			w.Header().Set("Content-Type", "application/x-ndjson")
			begun = true
		}
		if enc.Encode(v) != nil {
			return
		}
	}
}

// Fail answers with err, and with the status and hint that an *Error has.
func Fail(w http.ResponseWriter, err error) {
	answer := &Error{Status: http.StatusInternalServerError, Message: err.Error()}
	errors.As(err, &answer)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Status)
	_ = encoder(w).Encode(answer)
}

func encoder(w http.ResponseWriter) *json.Encoder {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc
}
