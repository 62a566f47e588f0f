"""Realtime: Phoenix channels as the official clients speak them, and live queries that never lose a change."""
