"""The policy lab: every fault at every call, bounds, sweeps, and what a policy is worth."""
