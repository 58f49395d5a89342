"""pgx: which ingredient of a policy-gradient method does what, and how sure are we?"""

__version__ = "0.1.0"
