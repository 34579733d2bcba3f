"""Options, progress output and signals of the commands; never imports torch."""
