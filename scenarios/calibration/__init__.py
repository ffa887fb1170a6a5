"""The model beside what was published: every figure measured anew, its deviation, a verdict.

No figure of the model's is written down here. Each is measured on a world, or on a replayed soak,
when the report is made; what stands here is what was published, where, and how it is judged.
"""
