"""The demo: a real migration under live traffic, and the proof that nothing was lost.

The applications     goods (what the table holds)  shop (code for the old table)  workload  journal  application
                     dropping (a rule, for the proof that it is needed)
The migration        shop_migration (the file)  steering (the commands)  story (in which order)  fleet  seeding
The proof            evidence (the journals)  comparing (the tables)  registers  judging  findings  proving  wire
What is shown        figures  memory  console  report
Runs                 performance (one)  main (`crossfade demo`)  proof (many: `python -m crossfade.demo.proof`)

What proves imports nothing of crossfade's outside of this folder: a test sees to that.
"""
