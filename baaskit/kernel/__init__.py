"""One policy decision for every path. Knows no feature; imports run downwards only (docs/architecture.md)."""
