"""The subcommands of `nowcast`, each a thin call of a flow or a function."""
