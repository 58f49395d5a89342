"""Many arms: a study's file, what of it is missing, and who trains it."""
