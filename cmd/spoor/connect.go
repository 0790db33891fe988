package main

import (
	"context"
	"errors"
	"net/http"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

// An opener opens one room's store in this process, registers its questions, and returns what closes it again.
type opener func(ctx context.Context, cfg config.Config, mux *http.ServeMux) (closeStore func(), err error)

// connect returns a client of the daemon or, where none runs, of the room that open opens in this process: the
// daemon owns the store, so a command never opens it beside one. The caller calls done when it has its answer.
func (a *app) connect(ctx context.Context, open opener) (client *control.Client, done func(), err error) {
	cfg, err := a.config()
	if err != nil {
		return nil, nil, err
	}
	client, err = control.Dial(cfg.ControlPath())
	if err == nil {
		return client, func() {}, nil
	}
	if !errors.Is(err, control.ErrNoDaemon) {
		return nil, nil, hint(err, "run the command as the user or group of the daemon")
	}
	mux := http.NewServeMux()
	done, err = open(ctx, cfg, mux)
	if err != nil {
		return nil, nil, err
	}
	return control.Local(mux), done, nil
}
