"""Tools for those who test protocols, transports and backends."""
