"""Statistics of runs: pure functions of numpy arrays, with the generator as an argument.

A run is one number per seed and metric. ``curves`` turns a run's episodes into such numbers,
``aggregates`` says what a set of runs is like, ``bootstrap`` how sure that is, ``significance``
and ``verdicts`` which arm is better, and ``comparison`` does all of it for a study's metric.
"""
