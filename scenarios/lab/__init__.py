"""The policy lab: what a policy answers, how soon, how late, and what it cannot see."""
