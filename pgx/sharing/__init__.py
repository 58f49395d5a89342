"""A study sent to W&B: the runs that were recorded offline, a summary per arm, a report.

What imports wandb runs in a process of its own, as the mirror of a training does: wandb's ending
may wait for the network for days, and what it prints belongs in a log.
"""
