"""A batch: many files through one task, from folders in to answers out, in a run that can be interrupted."""
