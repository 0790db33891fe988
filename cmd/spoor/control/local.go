package control

import (
	"io"
	"net/http"
)

// inProcess is a RoundTripper that runs the handler in the caller's own process and streams its answer.
type inProcess struct{ handler http.Handler }

func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	reader, writer := io.Pipe()
	w := &pipeWriter{header: http.Header{}, body: writer, started: make(chan struct{})}
	if req.Body == nil {
		req.Body = http.NoBody
	}
	go func() {
		defer req.Body.Close()
		err := serve(t.handler, w, req)
		w.WriteHeader(http.StatusOK)
		_ = writer.CloseWithError(err)
	}()
	<-w.started
	return &http.Response{
		StatusCode: w.status, Status: http.StatusText(w.status), Header: w.header, Body: reader, Request: req,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1,
	}, nil
}

// serve runs the handler and turns its abort into the broken stream that a client of the socket would see.
func serve(handler http.Handler, w http.ResponseWriter, req *http.Request) (err error) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			err = io.ErrUnexpectedEOF
		} else if p != nil {
			panic(p)
		}
	}()
	handler.ServeHTTP(w, req)
	return nil
}

// A pipeWriter hands a handler's answer to the client as it is written.
type pipeWriter struct {
	header  http.Header
	body    *io.PipeWriter
	status  int
	started chan struct{}
}

func (w *pipeWriter) Header() http.Header { return w.header }

func (w *pipeWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		close(w.started)
	}
}

func (w *pipeWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// Flush is here so that handlers may flush as they do over a socket.
func (w *pipeWriter) Flush() { w.WriteHeader(http.StatusOK) }
