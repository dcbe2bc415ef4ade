"""How many workers it takes to beat one good thread.

The question, and the name: McSherry, Isard and Murray, "Scalability! But at
what COST?", HotOS 2015. COST is the Configuration that Outperforms a Single
Thread.
"""
