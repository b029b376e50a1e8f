"""Looking into models, their tests and their training logs."""
