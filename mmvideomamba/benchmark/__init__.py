"""What tools and notebooks ask of a model, a log or a data set."""
