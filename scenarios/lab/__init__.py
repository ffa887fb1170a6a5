"""The policy lab: bounds, every onset, every fault at every call, and what a policy is worth."""
