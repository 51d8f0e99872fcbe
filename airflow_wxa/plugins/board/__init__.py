"""The page for release managers: who is where, who must act, and what to do."""
