"""The demo: a real migration under live traffic, and the proof that nothing was lost.

The applications     goods (what the table holds)  shop (code for the old table)  workload  journal  application
                     dropping (a rule, for the proof that it is needed)
The migration        shop_migration (the file)  steering (the commands)  story (in which order)  fleet  seeding
The proof            evidence (the journals)  comparing (the tables)  registers  judging  findings  proving  wire
What is shown        figures  memory  console  report
Runs                 performance (one)  command, main (`crossfade demo`)  proof (many: `python -m crossfade.demo.proof`)

It plays in a checkout: an installed crossfade is without it, and nothing outside of this folder imports it. What proves
imports nothing of crossfade's from outside of it. A contract and two tests see to that.
"""
