"""HTTP/1.1: each module is a part that can be used alone; import from the module itself."""
