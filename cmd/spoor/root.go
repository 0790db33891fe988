package main

import (
	"github.com/spf13/cobra"
)

// newRoot puts the subcommands together, in the order of the manual.
func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:           "spoor",
		Short:         "the automated abuse desk of a network operator",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q\nhint: see spoor --help", args[0])
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	flags := root.PersistentFlags()
	flags.StringVarP(&a.configPath, "config", "c", "", "configuration `file` (default $SPOOR_CONFIG or /etc/spoor/spoor.toml)")
	flags.BoolVar(&a.json, "json", false, "print one JSON object a line, as docs/json.md documents")
	root.AddCommand(
		newDemoCmd(a),
		newServeCmd(a),
		newCheckCmd(a),
		newMaillogCmd(a),
		newStatsCmd(a),
		newReportersCmd(a),
		newTraceCmd(a),
		newParseCmd(a),
		newFileCmd(a),
		newImportCmd(a),
		newLookupCmd(a),
		newMilterCmd(a),
		newRegistryCmd(a),
		newFlowsCmd(a),
		newIncidentsCmd(a),
		newNoticeCmd(a),
		newExportCmd(a),
		newPurgeCmd(a),
		newStoreCmd(a),
	)
	return root
}
