"""The pet store's illustrations as functions from a breed, 0 to 5, to SVG elements on a 400 by 400 ground."""
