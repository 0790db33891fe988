package main

import (
	"log/slog"

	"spoor/cmd/spoor/config"
	"spoor/registry"
)

// registryPoller returns what walks the configured routers.
func registryPoller(cfg config.Config, log *slog.Logger) registry.Poller { return nil }
