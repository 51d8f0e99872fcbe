"""Parse a body, ask or change the state, answer as WeChat does: one function an endpoint."""
