"""Many Mini Programs in one run: a manifest says which, a plan what is done with each, shards do it."""
