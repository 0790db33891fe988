package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError words a wrong flag: which one, what is wrong with its value and what to write instead.
func flagError(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if errors.As(err, &bad) {
		flag := bad.GetFlag()
		if want := wantedOf(flag); want != "" {
			return usageError("--%s: %q is not %s\nhint: see %s --help", flag.Name, bad.GetValue(), want, cmd.CommandPath())
		}
	}
	return usageError("%w\nhint: see %s --help", err, cmd.CommandPath())
}

// wantedOf says what the flag takes where the standard library's own error would speak of its parser; empty for the others.
func wantedOf(flag *pflag.Flag) string {
	switch flag.Value.Type() {
	case "bool":
		return "true or false; the bare flag means true"
	case "int":
		return "a whole number"
	case "duration":
		return "a time span such as 30s, 5m or 2h"
	}
	return ""
}
