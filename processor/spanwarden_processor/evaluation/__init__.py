"""The ruler: labelled runs in, figures out that show how well the detectors do, each data set by itself."""
