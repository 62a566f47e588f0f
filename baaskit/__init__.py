"""baaskit: a self-hosted backend-as-a-service toolkit for rich-client apps."""

__version__ = "0.1.0"
