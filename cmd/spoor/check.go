package main

import "github.com/spf13/cobra"

func newCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "check the configuration and the store, and say what to mend",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := a.config()
			return err
		},
	}
}
