"""Documents: PDF and TIFF files of several pages, and the files that what was read becomes."""
