"""What commands do for a migration of rows. A command's own module looks which kind it is, and comes here.

servers    from the environment to a pipeline
carrying   backfill and replicate
checking   check, and new --from
retiring   cleanup; its step of tombstones: purging, of stamps: stamps

What imports a driver of MySQL or Kafka is imported when a migration of rows is at hand.
"""
