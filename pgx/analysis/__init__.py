"""From a study's runs to every number that is said about them: what compare and report show."""
